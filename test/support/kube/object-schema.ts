// Checks objects against Kubernetes' own schemas, as the client library's models have them: generated from the API's
// OpenAPI document (release-1.36 in 2.0.1), they know every field, its type, and, in their declarations, which must be
// there. Not checked: enumerations and formats, which the generator leaves out.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as models from '@kubernetes/client-node';

interface Attribute {
  readonly baseName: string;
  readonly type: string;
}

const ENTRY = fileURLToPath(import.meta.resolve('@kubernetes/client-node'));
const DECLARATIONS = join(dirname(ENTRY), 'gen/models');

const attributesOf = (type: string): readonly Attribute[] | null =>
  (models as unknown as Record<string, { getAttributeTypeMap?: () => readonly Attribute[] }>)[
    type
  ]?.getAttributeTypeMap?.() ?? null;

/** `'name': string;` must be there, `'name'?: string;` may. */
const requiredOf = (type: string): readonly string[] => {
  const text = readFileSync(join(DECLARATIONS, `${type}.d.ts`), 'utf8');
  return [...text.matchAll(/^ {4}'([^']+)': /gm)].map(([, name]) => name as string);
};

const isText = (value: unknown): boolean => typeof value === 'string';
const isNumber = (value: unknown): boolean => Number.isInteger(value);
const SCALARS: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: isText,
  number: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  Date: isText,
  any: () => true,
  object: () => true,
  IntOrString: (value) => isText(value) || isNumber(value),
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

const faultsOfValue = (value: unknown, type: string, path: string): string[] => {
  const item = /^Array<(.*)>$/.exec(type)?.[1];
  if (item !== undefined) {
    if (!Array.isArray(value)) return [`${path}: must be a list`];
    return value.flatMap((each, index) => faultsOfValue(each, item, `${path}[${index}]`));
  }
  const held = /^\{ \[key: string\]: (.*); \}$/.exec(type)?.[1];
  if (held !== undefined) {
    if (!isObject(value)) return [`${path}: must be a mapping`];
    return Object.entries(value).flatMap(([key, each]) => faultsOfValue(each, held, `${path}.${key}`));
  }
  const isRight = SCALARS[type];
  if (isRight !== undefined) return isRight(value) ? [] : [`${path}: must be of type ${type}`];
  const attributes = attributesOf(type);
  if (attributes === null) throw new Error(`${path}: the models have no type ${type}`);
  if (!isObject(value)) return [`${path}: must be a mapping`];
  const missing = requiredOf(type).filter((name) => value[name] === undefined);
  return [
    ...missing.map((name) => `${path}.${name}: is missing`),
    ...Object.entries(value).flatMap(([key, each]) => {
      const known = attributes.find(({ baseName }) => baseName === key);
      return known === undefined
        ? [`${path}.${key}: is not a field of ${type}`]
        : faultsOfValue(each, known.type, `${path}.${key}`);
    }),
  ];
};

/** What is wrong with an object of a built-in kind, a line each: path and what. Null: its kind is not built in. */
export const schemaFaults = (object: {
  readonly apiVersion: string;
  readonly kind: string;
}): readonly string[] | null => {
  const version = object.apiVersion.split('/').at(-1) as string;
  const type = `${version.charAt(0).toUpperCase()}${version.slice(1)}${object.kind}`;
  if (!/^([a-z.]+\.k8s\.io\/|(apps|batch|policy)\/|v1$)/.test(object.apiVersion)) return null;
  return attributesOf(type) === null
    ? [`${object.apiVersion} ${object.kind}: there is no such kind`]
    : faultsOfValue(object, type, object.kind);
};
