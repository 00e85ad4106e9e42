// What the stand-in keeps: objects as Kubernetes writes them, never changed in place, so that lists, watches and
// history can share them; and the Status bodies of refusals, in Kubernetes' own words where clients read them.
import { qualified, type Resource } from './resources.ts';

export interface Meta {
  name: string;
  namespace?: string;
  generateName?: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  finalizers?: string[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Readonly<Meta>;
  readonly [field: string]: unknown;
}

/** A refusal, thrown by the store and written by the server. */
export class Refusal extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: Record<string, unknown>;

  constructor(code: number, reason: string, message: string, details: Record<string, unknown> = {}) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  body(): Record<string, unknown> {
    const { code, reason, message, details } = this;
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason,
      details,
      code,
    };
  }
}

const details = (resource: Resource, name: string): Record<string, unknown> => ({
  name,
  ...(resource.group === '' ? {} : { group: resource.group }),
  kind: resource.plural,
});

export const notFound = (resource: Resource, name: string): Refusal =>
  new Refusal(404, 'NotFound', `${qualified(resource)} "${name}" not found`, details(resource, name));

export const alreadyExists = (resource: Resource, name: string): Refusal =>
  new Refusal(
    409,
    'AlreadyExists',
    `${qualified(resource)} "${name}" already exists`,
    details(resource, name),
  );

export const conflict = (resource: Resource, name: string, why = ''): Refusal =>
  new Refusal(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${
      why || 'the object has been modified; please apply your changes to the latest version and try again'
    }`,
    details(resource, name),
  );

export const invalid = (resource: Resource, name: string, why: string): Refusal => {
  const kind = resource.group === '' ? resource.kind : `${resource.kind}.${resource.group}`;
  return new Refusal(422, 'Invalid', `${kind} "${name}" is invalid: ${why}`, details(resource, name));
};

export const badRequest = (message: string): Refusal => new Refusal(400, 'BadRequest', message);

export const expired = (message: string): Refusal => new Refusal(410, 'Expired', message);

/** RFC 7386: an object merges, null removes, anything else replaces. */
export const mergePatch = (target: unknown, patch: unknown): unknown => {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch;
  const isPlain = target !== null && typeof target === 'object' && !Array.isArray(target);
  const merged: Record<string, unknown> = isPlain ? { ...(target as Record<string, unknown>) } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
};
