// MetalLB's L2Advertisement (metallb.io/v1beta1) → AdvertisementFact.
import { z } from 'zod';
import type { AdvertisementFact } from '../../../machines/cluster/cluster-facts.ts';
import { list, metadata, optional, type Reading, readObject } from './reading.ts';
import { selector } from './selectors.ts';

const spec = z.object({
  ipAddressPools: list(z.string()),
  ipAddressPoolSelectors: list(selector),
  nodeSelectors: list(selector),
  interfaces: list(z.string()),
});
const NOTHING: z.output<typeof spec> = {
  ipAddressPools: [],
  ipAddressPoolSelectors: [],
  nodeSelectors: [],
  interfaces: [],
};

export const readAdvertisement = (raw: unknown): Reading<AdvertisementFact> =>
  readObject('L2Advertisement', z.object({ metadata, spec: optional(spec) }), raw, (object) => {
    const { ipAddressPools, ipAddressPoolSelectors, nodeSelectors, interfaces } = object.spec ?? NOTHING;
    return {
      name: object.metadata.name,
      pools: ipAddressPools,
      poolSelectors: ipAddressPoolSelectors,
      nodeSelectors,
      interfaces: interfaces.length === 0 ? null : interfaces,
    };
  });
