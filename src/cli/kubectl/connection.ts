// The API server as the plug-in's commands use it: opened by the kubeconfig that kubectl would take, failures as one
// line and an exit code.
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type ClusterClient, openCluster } from '../../io/kubernetes/cluster-client.ts';
import type { Outcome } from '../../io/kubernetes/outcome.ts';
import { readPages } from '../../io/kubernetes/pages.ts';
import { pathOf, type Resource } from '../../io/kubernetes/resource.ts';
import { askOf, readObject, type StoredObject } from '../../io/kubernetes/writer.ts';
import { exitCodeOf } from '../api-server.ts';
import { CommandError, EXIT } from '../command.ts';

/** How often objects are looked at while something is waited for: a request each, beside a person. */
export const LOOK_MS = 300;

export const CONNECTION_OPTIONS = { kubeconfig: { type: 'string' } } as const;
export const CONNECTION_HELP =
  '--kubeconfig FILE, else $KUBECONFIG, else ~/.kube/config; its current context counts.';

const kubeconfigOf = (option: string | undefined): string => {
  if (option !== undefined) return option;
  const named = (process.env.KUBECONFIG ?? '').split(delimiter).filter((file) => file !== '');
  if (named.length > 1)
    throw new CommandError(EXIT.usage, `KUBECONFIG names ${named.length} files; name one by --kubeconfig`);
  return named[0] ?? join(homedir(), '.kube/config');
};

export interface Connection {
  /** Of the current context. */
  readonly namespace: string | null;
  /** Null: there is none. */
  read(resource: Resource, name: string, namespace?: string | null): Promise<StoredObject | null>;
  list(resource: Resource, namespace?: string | null): Promise<readonly unknown[]>;
  /** Sets (text) or removes (null) an annotation. False: there is no such object. */
  annotate(resource: Resource, place: Place, key: string, value: string | null): Promise<boolean>;
}

export interface Place {
  readonly name: string;
  readonly namespace?: string;
}

const orEnd = <T>(outcome: Outcome<T>): T => {
  if (outcome.ok) return outcome.value;
  throw new CommandError(exitCodeOf(outcome.failure), outcome.failure.text);
};

/** A write or read of one object whose absence is an answer. */
const orNull = <T>(outcome: Outcome<T>): T | null =>
  !outcome.ok && outcome.failure.kind === 'missing' ? null : orEnd(outcome);

const connectionOf = (client: ClusterClient): Connection => ({
  namespace: client.namespace,
  read: async (resource, name, namespace = null) =>
    orNull(await readObject(client, resource, name, namespace)),
  list: async (resource, namespace = null) => {
    const items: unknown[] = [];
    const add = (item: unknown): void => void items.push(item);
    orEnd(await readPages(client, pathOf(resource, { namespace }), {}, add, () => true));
    return items;
  },
  annotate: async (resource, place, key, value) => {
    const patch = { metadata: { annotations: { [key]: value } } };
    return orNull(await client.ask(askOf({ verb: 'patch', resource, ...place, patch }))) !== null;
  },
});

/** Runs `act` with an open connection, and closes it. Ends with a CommandError for whatever the server refuses. */
export const withConnection = async <T>(
  { kubeconfig }: { readonly kubeconfig?: string | undefined },
  act: (connection: Connection) => Promise<T>,
): Promise<T> => {
  // A person's kubeconfig: programs named in it are run, as kubectl does.
  const opened = await openCluster(kubeconfigOf(kubeconfig), Math.random, true);
  if (!opened.ok)
    throw new CommandError(EXIT.usage, opened.problem.replace(/^kubernetes\.kubeconfig/, '--kubeconfig'));
  try {
    return await act(connectionOf(opened.value));
  } finally {
    opened.value.close();
  }
};
