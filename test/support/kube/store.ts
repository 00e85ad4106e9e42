// The stand-in's memory: objects, one resourceVersion counter for all of them, and a bounded history from which
// watches are served. What Kubernetes promises about writes (compare-and-swap, who owns status, what a write
// that changes nothing does) is kept here; HTTP is the server's business.
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  alreadyExists,
  badRequest,
  conflict,
  expired,
  invalid,
  type KubeObject,
  type Meta,
  mergePatch,
  notFound,
} from './objects.ts';
import { apiVersionOf, RESOURCES, type Resource } from './resources.ts';
import { defaulted } from './service-defaults.ts';

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

export interface StoreEvent {
  readonly revision: number;
  readonly type: EventType;
  readonly resource: Resource;
  readonly object: KubeObject;
}

export interface Preconditions {
  readonly uid?: string;
  readonly resourceVersion?: string;
}

type Body = Record<string, unknown> & { metadata?: Partial<Meta> };
/** Which half of an object a write is about. */
export type Half = 'main' | 'status';

/** Enough for 10,000 Services and their slices to be made while somebody watches. */
const HISTORY_LENGTH = 50_000;
const NAMESPACES = ['default', 'kube-node-lease', 'kube-public', 'kube-system'];

const keyOf = (namespace: string | undefined, name: string): string =>
  namespace === undefined ? name : `${namespace}/${name}`;

const suffix = (): string => Math.random().toString(36).slice(2, 7).padEnd(5, 'x');

export class Store {
  private revisionNow = 1;
  private compactedTo = 0;
  private readonly objects = new Map<Resource, Map<string, KubeObject>>(RESOURCES.map((r) => [r, new Map()]));
  private history: StoreEvent[] = [];
  private readonly listeners = new Set<(event: StoreEvent) => void>();

  constructor() {
    const resource = RESOURCES.find(({ plural }) => plural === 'namespaces') as Resource;
    for (const name of NAMESPACES) this.create(resource, undefined, { metadata: { name } });
  }

  get revision(): number {
    return this.revisionNow;
  }

  /** Forgets the history: who watches from before now is told 410. */
  compact(): void {
    this.compactedTo = this.revisionNow;
    this.history = [];
  }

  listen(listener: (event: StoreEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Events after `revision`; throws 410 if they are not known any more. */
  since(resource: Resource, revision: number): StoreEvent[] {
    if (revision < this.compactedTo)
      throw expired(`too old resource version: ${revision} (${this.compactedTo})`);
    return this.history.filter((event) => event.revision > revision && event.resource === resource);
  }

  /** Sorted by namespace and name. */
  list(resource: Resource, namespace?: string): KubeObject[] {
    const all = [...this.all(resource).entries()];
    const wanted = namespace === undefined ? all : all.filter(([key]) => key.startsWith(`${namespace}/`));
    return wanted.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
  }

  get(resource: Resource, namespace: string | undefined, name: string): KubeObject {
    const object = this.all(resource).get(keyOf(namespace, name));
    if (object === undefined) throw notFound(resource, name);
    return object;
  }

  create(resource: Resource, namespace: string | undefined, body: Body): KubeObject {
    const given = body.metadata ?? {};
    const name = given.name ?? (given.generateName === undefined ? '' : given.generateName + suffix());
    if (name === '')
      throw invalid(resource, '', 'metadata.name: Required value: name or generateName is required');
    if (given.resourceVersion !== undefined && given.resourceVersion !== '')
      throw badRequest('resourceVersion should not be set on objects to be created');
    if (given.namespace !== undefined && given.namespace !== namespace)
      throw badRequest(
        'the namespace of the provided object does not match the namespace sent on the request',
      );
    if (namespace !== undefined) this.requireNamespace(namespace);
    if (this.all(resource).has(keyOf(namespace, name))) throw alreadyExists(resource, name);
    const metadata: Meta = {
      ...given,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      uid: randomUUID(),
      resourceVersion: '',
      ...(resource.generation ? { generation: 1 } : {}),
      creationTimestamp: `${new Date().toISOString().slice(0, 19)}Z`,
    };
    const rest = { ...body };
    // The kubelet registers a Node with its status; every other status begins empty.
    if (resource.status && resource.plural !== 'nodes') delete rest.status;
    return this.put('ADDED', resource, { ...this.typed(resource, rest), metadata });
  }

  replace(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    body: Body,
    half: Half,
  ): KubeObject {
    const old = this.get(resource, namespace, name);
    const given = body.metadata ?? {};
    if (given.name !== undefined && given.name !== name)
      throw badRequest('the name of the object does not match the name on the URL');
    if (given.uid !== undefined && given.uid !== old.metadata.uid)
      throw conflict(
        resource,
        name,
        `Precondition failed: UID in precondition: ${given.uid}, UID in object meta: ${old.metadata.uid}`,
      );
    const wanted = given.resourceVersion ?? '';
    if (wanted === '' && !resource.unconditional)
      throw invalid(
        resource,
        name,
        'metadata.resourceVersion: Invalid value: 0x0: must be specified for an update',
      );
    if (wanted !== '' && wanted !== old.metadata.resourceVersion) throw conflict(resource, name);
    return this.update(resource, old, body, half);
  }

  /** A merge patch (RFC 7386); a resourceVersion in it is a precondition. */
  patch(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    patch: Body,
    half: Half,
  ): KubeObject {
    const old = this.get(resource, namespace, name);
    const wanted = patch.metadata?.resourceVersion;
    if (wanted !== undefined && wanted !== old.metadata.resourceVersion) throw conflict(resource, name);
    return this.update(resource, old, mergePatch(old, patch) as Body, half);
  }

  remove(resource: Resource, namespace: string | undefined, name: string, wanted: Preconditions): KubeObject {
    const old = this.get(resource, namespace, name);
    const { uid, resourceVersion, finalizers = [] } = old.metadata;
    if (wanted.uid !== undefined && wanted.uid !== uid)
      throw conflict(resource, name, 'Precondition failed: UID in precondition');
    if (wanted.resourceVersion !== undefined && wanted.resourceVersion !== resourceVersion)
      throw conflict(resource, name, 'Precondition failed: resourceVersion in precondition');
    if (finalizers.length === 0) return this.put('DELETED', resource, old);
    if (old.metadata.deletionTimestamp !== undefined) return old;
    const deletionTimestamp = `${new Date().toISOString().slice(0, 19)}Z`;
    return this.put('MODIFIED', resource, { ...old, metadata: { ...old.metadata, deletionTimestamp } });
  }

  private update(resource: Resource, old: KubeObject, body: Body, half: Half): KubeObject {
    const kept = old.metadata;
    const given = { ...kept, ...body.metadata };
    // Labels and the like are replaced as a whole, so what the body leaves out is gone.
    for (const key of ['labels', 'annotations', 'finalizers'] as const)
      if (body.metadata !== undefined && !(key in body.metadata)) delete given[key];
    const { uid, creationTimestamp, deletionTimestamp, namespace, name, resourceVersion, generation } = kept;
    const fixed = {
      uid,
      creationTimestamp,
      name,
      resourceVersion,
      ...(namespace === undefined ? {} : { namespace }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
      ...(generation === undefined ? {} : { generation }),
    };
    const isStatus = half === 'status';
    const main = isStatus ? old : body;
    const next: Record<string, unknown> = { ...this.typed(resource, main) };
    const status = (isStatus ? body : old).status;
    if (resource.status) {
      delete next.status;
      if (status !== undefined) next.status = status;
    }
    // A status write to a custom resource changes nothing else; of built-in kinds it may change metadata too.
    const metadata: Meta = isStatus && resource.custom ? { ...kept } : { ...given, ...fixed };
    const updated = { ...next, metadata } as unknown as KubeObject;
    if (isDeepStrictEqual(updated, old)) return old;
    const content = ({ metadata: _, status: __, ...rest }: Record<string, unknown>): unknown => rest;
    if (metadata.generation !== undefined && !isDeepStrictEqual(content(updated), content(old)))
      metadata.generation += 1;
    const isGone = deletionTimestamp !== undefined && (metadata.finalizers ?? []).length === 0;
    return this.put(isGone ? 'DELETED' : 'MODIFIED', resource, updated);
  }

  private put(type: EventType, resource: Resource, object: KubeObject): KubeObject {
    this.revisionNow += 1;
    const metadata = { ...object.metadata, resourceVersion: String(this.revisionNow) };
    const stored: KubeObject = { ...object, metadata };
    const key = keyOf(metadata.namespace, metadata.name);
    if (type === 'DELETED') this.all(resource).delete(key);
    else this.all(resource).set(key, stored);
    const event = { revision: this.revisionNow, type, resource, object: stored };
    this.history.push(event);
    if (this.history.length > 2 * HISTORY_LENGTH) {
      this.history = this.history.slice(-HISTORY_LENGTH);
      this.compactedTo = (this.history[0] as StoreEvent).revision - 1;
    }
    for (const listener of this.listeners) listener(event);
    return stored;
  }

  private typed(resource: Resource, body: Record<string, unknown>): KubeObject {
    const typed = {
      ...body,
      apiVersion: apiVersionOf(resource),
      kind: resource.kind,
    } as unknown as KubeObject;
    return resource.plural === 'services' ? defaulted(typed) : typed;
  }

  private requireNamespace(name: string): void {
    const resource = RESOURCES.find(({ plural }) => plural === 'namespaces') as Resource;
    this.get(resource, undefined, name);
  }

  private all(resource: Resource): Map<string, KubeObject> {
    return this.objects.get(resource) as Map<string, KubeObject>;
  }
}
