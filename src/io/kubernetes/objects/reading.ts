// How an object of the API is read: its shape is checked by a zod schema that names only what is used, so that a
// newer API server's fields do no harm, and whatever is wrong becomes one line that names the object and the field.
import { z } from 'zod';

/** The fact, with one line for each thing that was ignored in it; or why the whole object cannot be used. */
export type Reading<T> =
  | { readonly value: T; readonly notes: readonly string[] }
  | { readonly wrong: string };

/** Absent, null and empty are the same to the API's Go types. */
export const optional = <T extends z.ZodType>(schema: T) =>
  schema.nullish().transform((value) => value ?? null);

const stringMap = optional(z.record(z.string(), z.string())).transform((value) => value ?? {});

export const metadata = z.object({
  name: z.string(),
  namespace: optional(z.string()),
  uid: optional(z.string()),
  resourceVersion: optional(z.string()),
  creationTimestamp: optional(z.string()),
  deletionTimestamp: optional(z.string()),
  labels: stringMap,
  annotations: stringMap,
});

export const list = <T extends z.ZodType>(schema: T) =>
  optional(z.array(schema)).transform((value): z.output<T>[] => value ?? []);

const labelOf = (kind: string, raw: unknown): string => {
  const parsed = z
    .object({ metadata: z.object({ name: z.string(), namespace: optional(z.string()) }) })
    .safeParse(raw);
  if (!parsed.success) return `${kind} without a name`;
  const { name, namespace } = parsed.data.metadata;
  return `${kind} ${namespace === null ? name : `${namespace}/${name}`}`;
};

const pathText = (path: readonly PropertyKey[]): string => path.map(String).join('.') || 'the object';

/** Reads `raw` by `schema` and hands it on; `toFact` may refuse by returning `wrong`, and add notes. */
export const readObject = <S extends z.ZodType, R>(
  kind: string,
  schema: S,
  raw: unknown,
  toFact: (object: z.output<S>, note: (line: string) => void) => R,
): Reading<Exclude<R, { wrong: string }>> => {
  const label = (): string => labelOf(kind, raw);
  const parsed = schema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return { wrong: `${label()}: ${pathText(issue?.path ?? [])}: ${issue?.message ?? 'cannot be read'}` };
  }
  const notes: string[] = [];
  const fact = toFact(parsed.data, (line) => notes.push(`${label()}: ${line}`));
  if (typeof fact === 'object' && fact !== null && 'wrong' in fact)
    return { wrong: `${label()}: ${fact.wrong}` };
  return { value: fact as Exclude<R, { wrong: string }>, notes };
};
