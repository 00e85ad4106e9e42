// What an API server does with an object of a CustomResourceDefinition before it stores it: defaults, pruning of
// unknown fields, the structural schema, and CEL rules, evaluated by @marcbachmann/cel-js. Only the keywords that
// deploy/crds uses; any other one throws, so that a test cannot pass because a rule was not understood.
import { readFileSync } from 'node:fs';
import { Environment } from '@marcbachmann/cel-js';
import { parse } from 'yaml';

interface Rule {
  readonly rule: string;
  readonly message: string;
}
export interface Schema {
  readonly type: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly 'x-kubernetes-validations'?: readonly Rule[];
}

const KNOWN = new Set([
  ...['type', 'description', 'properties', 'additionalProperties', 'required', 'items', 'enum', 'default'],
  ...['format', 'minLength', 'maxLength', 'minItems', 'maxItems', 'maxProperties', 'minimum', 'maximum'],
  ...['x-kubernetes-validations', 'x-kubernetes-list-type', 'x-kubernetes-list-map-keys'],
  'x-kubernetes-map-type',
]);

// `replace` is in Kubernetes' strings library since CEL came to CRDs (1.23), but not in cel-js.
const environment = new Environment({ unlistedVariablesAreDyn: true }).registerFunction(
  'string.replace(string, string): string',
  (text: string, from: string, to: string) => text.replaceAll(from, to),
);

export interface Crd {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly scope: string;
    readonly names: { readonly kind: string; readonly plural: string; readonly singular: string };
    readonly group: string;
    readonly versions: readonly {
      readonly name: string;
      readonly served: boolean;
      readonly storage: boolean;
      readonly subresources?: { readonly status?: object };
      readonly additionalPrinterColumns: readonly { readonly name: string; readonly jsonPath: string }[];
      readonly schema: { readonly openAPIV3Schema: Schema };
    }[];
  };
}

export const readCrd = (path: string): Crd => parse(readFileSync(path, 'utf8')) as Crd;

/** Integers of an object are CEL ints, which cel-js wants as bigint. */
const celValue = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(celValue);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, celValue(each)]));
  return Number.isInteger(value) ? BigInt(value as number) : value;
};

const typeOf = (value: unknown): string => {
  if (Array.isArray(value)) return 'array';
  if (Number.isInteger(value)) return 'integer';
  return value === null ? 'null' : typeof value;
};

const outOfBounds = (schema: Schema, value: unknown): string | null => {
  const bounds: readonly (readonly [boolean, string])[] = [
    [typeof value === 'string' && value.length < (schema.minLength ?? 0), 'too short'],
    [typeof value === 'string' && value.length > (schema.maxLength ?? Number.POSITIVE_INFINITY), 'too long'],
    [Array.isArray(value) && value.length < (schema.minItems ?? 0), 'too few'],
    [Array.isArray(value) && value.length > (schema.maxItems ?? Number.POSITIVE_INFINITY), 'too many'],
    [typeof value === 'number' && value < (schema.minimum ?? Number.NEGATIVE_INFINITY), 'too small'],
    [typeof value === 'number' && value > (schema.maximum ?? Number.POSITIVE_INFINITY), 'too large'],
    [schema.enum?.includes(value) === false, 'not one of the values'],
  ];
  return bounds.find(([isOut]) => isOut)?.[1] ?? null;
};

const brokenRules = (schema: Schema, value: unknown, old: unknown, path: string): string[] =>
  (schema['x-kubernetes-validations'] ?? []).flatMap(({ rule, message }) => {
    // A transition rule is evaluated at updates only.
    if (rule.includes('oldSelf') && old === undefined) return [];
    const isKept = environment.evaluate(rule, { self: celValue(value), oldSelf: celValue(old) });
    return isKept === true ? [] : [`${path}: ${message}`];
  });

const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;

/** Why the API server refuses `value`; empty when it stores it. `old` undefined: it is created. */
export const refusals = (schema: Schema, value: unknown, old?: unknown, path = ''): string[] => {
  const unknown = Object.keys(schema).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) throw new Error(`${path}: this test does not know ${unknown}`);
  if (typeOf(value) !== schema.type) return [`${path}: is ${typeOf(value)}, not ${schema.type}`];
  const bound = outOfBounds(schema, value);
  if (bound !== null) return [`${path}: ${bound}`];
  const found: string[] = [];
  if (Array.isArray(value) && schema.items !== undefined) {
    const { items } = schema;
    // Items of plain lists have no old value; no rule on an item here compares with one.
    for (const [index, item] of value.entries())
      found.push(...refusals(items, item, undefined, `${path}[${index}]`));
  }
  if (schema.type === 'object') {
    const { properties = {}, additionalProperties, required = [] } = schema;
    for (const key of required) if (fieldOf(value, key) === undefined) found.push(`${path}: needs ${key}`);
    for (const [key, each] of Object.entries(value as object)) {
      const rule = properties[key] ?? additionalProperties;
      if (rule !== undefined && key !== 'metadata')
        found.push(...refusals(rule, each, fieldOf(old, key), `${path}.${key}`));
    }
  }
  // The API server does not evaluate rules on what the schema refuses.
  return found.length > 0 ? found : brokenRules(schema, value, old, path);
};

/** Every rule with the product of the bounds around it; null where one is missing, which the API server punishes. */
export const ruleBounds = (
  schema: Schema,
  times: number | null = 1,
  path = '',
): [string, number | null][] => {
  const mine = (schema['x-kubernetes-validations'] ?? []).map(({ rule }): [string, number | null] => [
    `${path}: ${rule}`,
    times,
  ]);
  const unbounded =
    (schema.type === 'string' && schema.maxLength === undefined && mine.length > 0) || times === null;
  const here = mine.map(([rule, count]): [string, number | null] => [rule, unbounded ? null : count]);
  const fields = Object.entries(schema.properties ?? {}).flatMap(([key, each]) =>
    ruleBounds(each, times, `${path}.${key}`),
  );
  const inside = schema.maxItems === undefined || times === null ? null : times * schema.maxItems;
  return [
    ...here,
    ...fields,
    ...(schema.items === undefined ? [] : ruleBounds(schema.items, inside, `${path}[]`)),
  ];
};
