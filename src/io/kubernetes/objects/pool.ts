// AddressPool (holdfast.dev/v1alpha1) and MetalLB's IPAddressPool (metallb.io/v1beta1) → PoolFact. The fields that
// both have are named and mean the same; `announce` is ours, MetalLB says that in L2Advertisements.
import { z } from 'zod';
import type {
  AddressRange,
  DrainOverride,
  PoolFact,
  PoolKind,
} from '../../../machines/cluster/cluster-facts.ts';
import { readDuration } from '../../config/durations.ts';
import { readAddressRange } from './address-range.ts';
import { list, metadata, optional, type Reading, readObject } from './reading.ts';
import { selector } from './selectors.ts';

/** Ranges of one pool. Each is compared with all others; nobody writes more by hand. */
const MAX_RANGES = 256;
/** The bounds of `drain` in the configuration file (config/schema.ts). */
const DRAIN_BOUNDS = { window: [1_000, 3_600_000], quiet: [100, 3_600_000] } as const;

const common = {
  addresses: z.array(z.string()).min(1).max(MAX_RANGES),
  autoAssign: optional(z.boolean()),
  avoidBuggyIPs: optional(z.boolean()),
  serviceAllocation: optional(
    z.object({
      priority: optional(z.int().min(0)),
      namespaces: list(z.string()),
      namespaceSelectors: list(selector),
      serviceSelectors: list(selector),
    }),
  ),
};
const announce = z.object({
  nodeSelectors: list(selector),
  preferredNodes: list(selector),
  interfaces: list(z.string()),
  drain: optional(
    z.object({
      window: optional(z.string()),
      quiet: optional(z.string()),
      style: optional(z.enum(['prompt', 'patient'])),
    }),
  ),
});
type Announce = z.output<typeof announce>;

const ours = z.object({ metadata, spec: z.object({ ...common, announce: optional(announce) }) });
const metallb = z.object({ metadata, spec: z.object(common) });

const readDrain = (drain: NonNullable<Announce['drain']>): DrainOverride | { wrong: string } => {
  const times: Record<'window' | 'quiet', number | null> = { window: null, quiet: null };
  for (const key of ['window', 'quiet'] as const) {
    const text = drain[key];
    if (text === null) continue;
    const [min, max] = DRAIN_BOUNDS[key];
    const read = readDuration(text, min, max);
    if ('wrong' in read) return { wrong: `spec.announce.drain.${key}: ${read.wrong}; write ${read.right}` };
    times[key] = read.value;
  }
  return { windowMs: times.window, quietMs: times.quiet, style: drain.style };
};

const toFact = (
  kind: PoolKind,
  { metadata: meta, spec }: z.output<typeof metallb>,
  how: Announce | null,
): PoolFact | { wrong: string } => {
  const ranges: AddressRange[] = [];
  for (const text of spec.addresses) {
    const read = readAddressRange(text);
    if ('wrong' in read) return { wrong: `spec.addresses: ${read.wrong}; write ${read.right}` };
    ranges.push(read.value);
  }
  const drain = how?.drain ? readDrain(how.drain) : null;
  if (drain !== null && 'wrong' in drain) return drain;
  const allocation = spec.serviceAllocation;
  return {
    kind,
    name: meta.name,
    created: meta.creationTimestamp ?? '',
    labels: meta.labels,
    ranges,
    autoAssign: spec.autoAssign ?? true,
    avoidBuggyIPs: spec.avoidBuggyIPs ?? false,
    priority: allocation?.priority ?? 0,
    namespaces: allocation?.namespaces ?? [],
    namespaceSelectors: allocation?.namespaceSelectors ?? [],
    serviceSelectors: allocation?.serviceSelectors ?? [],
    nodeSelectors: how?.nodeSelectors ?? [],
    preferredNodes: how?.preferredNodes ?? [],
    interfaces: how === null || how.interfaces.length === 0 ? null : how.interfaces,
    drain,
  };
};

export const readAddressPool = (raw: unknown): Reading<PoolFact> =>
  readObject('AddressPool', ours, raw, (object) => toFact('AddressPool', object, object.spec.announce));

export const readIpAddressPool = (raw: unknown): Reading<PoolFact> =>
  readObject('IPAddressPool', metallb, raw, (object) => toFact('IPAddressPool', object, null));
