// V1EndpointSlice → EndpointSliceFact. Absent conditions mean what the API says they mean: ready unless said
// otherwise, serving as ready, not terminating.
import { z } from 'zod';
import type { EndpointSliceFact } from '../../../machines/cluster/cluster-facts.ts';
import { list, metadata, optional, type Reading, readObject } from './reading.ts';

const SERVICE_NAME = 'kubernetes.io/service-name';

const flag = optional(z.boolean());
const schema = z.object({
  metadata: metadata.extend({ namespace: z.string() }),
  endpoints: list(
    z.object({
      nodeName: optional(z.string()),
      conditions: optional(z.object({ ready: flag, serving: flag, terminating: flag })),
    }),
  ),
});

/** Null: it belongs to no Service. Endpoints that name no node are no node's own. */
export const readEndpointSlice = (raw: unknown): Reading<EndpointSliceFact | null> =>
  readObject('EndpointSlice', schema, raw, ({ metadata: { namespace, name, labels }, endpoints }) => {
    const service = labels[SERVICE_NAME];
    if (service === undefined) return null;
    return {
      key: `${namespace}/${name}`,
      service: `${namespace}/${service}`,
      endpoints: endpoints.flatMap(({ nodeName, conditions }) => {
        if (nodeName === null) return [];
        const isReady = conditions?.ready ?? true;
        return [
          {
            node: nodeName,
            isReady,
            isServing: conditions?.serving ?? isReady,
            isTerminating: conditions?.terminating ?? false,
          },
        ];
      }),
    };
  });
