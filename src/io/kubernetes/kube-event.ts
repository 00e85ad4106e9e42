// Events (core/v1) as `kubectl describe` shows them: what happened to an object, and why.
import { EVENTS } from './resource.ts';
import type { Write } from './writer.ts';

export interface EventAbout {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** Absent: an object of the whole cluster, whose events lie in `default`. */
  readonly namespace?: string;
  readonly uid?: string;
}

export interface KubeEvent {
  readonly about: EventAbout;
  readonly type: 'Normal' | 'Warning';
  /** One word in CamelCase, such as `Moved`. */
  readonly reason: string;
  readonly message: string;
  readonly node: string;
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
}

/** The API's limit. */
const MAX_MESSAGE = 1024;

/** The write that makes the event. */
export const eventWrite = ({ about, type, reason, message, node, at }: KubeEvent): Write => {
  const time = `${new Date(at).toISOString().slice(0, 19)}Z`;
  const namespace = about.namespace ?? 'default';
  return {
    verb: 'create',
    resource: EVENTS,
    object: {
      metadata: { generateName: `${about.name}.`, namespace },
      involvedObject: about,
      type,
      reason,
      message: message.slice(0, MAX_MESSAGE),
      source: { component: 'holdfast', host: node },
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    },
  };
};
