// metav1.LabelSelector → LabelSelector.
import { z } from 'zod';
import type { LabelSelector, SelectorTerm } from '../../../machines/cluster/cluster-facts.ts';
import { list, optional } from './reading.ts';

const schema = z.object({
  matchLabels: optional(z.record(z.string(), z.string())),
  matchExpressions: list(
    z.object({
      key: z.string(),
      operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
      values: list(z.string()),
    }),
  ),
});

/** Reads into terms, all of which must hold. */
export const selector = schema.transform(({ matchLabels, matchExpressions }): LabelSelector => {
  const equal = Object.entries(matchLabels ?? {}).map(
    ([key, value]): SelectorTerm => ({ key, operator: 'In', values: [value] }),
  );
  const terms = matchExpressions.map(
    ({ key, operator, values }): SelectorTerm =>
      operator === 'In' || operator === 'NotIn' ? { key, operator, values } : { key, operator },
  );
  return [...equal, ...terms];
});
