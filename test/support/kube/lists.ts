// Lists of the stand-in, whole or in chunks. The chunks of one list show one moment, as etcd's do: the rest of a
// list is kept until it is fetched, or told as expired after compaction.
import { badRequest, expired, type KubeObject } from './objects.ts';
import { apiVersionOf, type Resource } from './resources.ts';
import type { Store } from './store.ts';
import { textOf } from './watches.ts';

/** Half-read lists that are kept; the oldest is forgotten, as after five minutes in a real server. */
const OPEN_LISTS = 64;

interface Rest {
  readonly revision: number;
  readonly objects: readonly KubeObject[];
}

/** Kept beside the object, since a list of 10,000 is asked for more than once. */
const bare = new WeakMap<KubeObject, string>();

const itemText = (object: KubeObject, { custom }: Resource): string => {
  if (custom) return textOf(object);
  const known = bare.get(object);
  if (known !== undefined) return known;
  // Items of built-in kinds come without the words that the list says already.
  const { apiVersion: _, kind: __, ...rest } = object;
  const text = JSON.stringify(rest);
  bare.set(object, text);
  return text;
};

/** Reads `metadata.name=x,metadata.namespace!=y`; throws 400 for other fields. */
export const fieldSelector = (text: string | null): ((object: KubeObject) => boolean) => {
  const terms = (text ?? '').split(',').filter((term) => term !== '');
  const tests = terms.map((term) => {
    const [, field, operator, value] = /^metadata\.(name|namespace)(==|=|!=)(.*)$/.exec(term) ?? [];
    if (field === undefined) throw badRequest(`field label not supported: ${term}`);
    const isEqual = operator !== '!=';
    return ({ metadata }: KubeObject): boolean =>
      (metadata[field as 'name' | 'namespace'] === value) === isEqual;
  });
  return (object) => tests.every((holds) => holds(object));
};

export class Lists {
  private readonly store: Store;
  private readonly rests = new Map<string, Rest>();
  private made = 0;

  constructor(store: Store) {
    this.store = store;
  }

  /** Half-read lists end with 410. */
  forget(): void {
    this.rests.clear();
  }

  /** The list's whole body. */
  read(resource: Resource, namespace: string | undefined, query: URLSearchParams): string {
    const rest = this.restOf(resource, namespace, query);
    const limit = Number(query.get('limit') ?? 0) || rest.objects.length;
    const now = rest.objects.slice(0, limit);
    const later = rest.objects.slice(limit);
    const metadata: Record<string, unknown> = { resourceVersion: String(rest.revision) };
    if (later.length > 0) {
      metadata.continue = this.keep({ revision: rest.revision, objects: later });
      metadata.remainingItemCount = later.length;
    }
    const head = JSON.stringify({
      kind: `${resource.kind}List`,
      apiVersion: apiVersionOf(resource),
      metadata,
    });
    return `${head.slice(0, -1)},"items":[${now.map((object) => itemText(object, resource)).join(',')}]}`;
  }

  private restOf(resource: Resource, namespace: string | undefined, query: URLSearchParams): Rest {
    const token = query.get('continue') ?? '';
    if (token === '') {
      const wanted = fieldSelector(query.get('fieldSelector'));
      const objects = this.store.list(resource, namespace).filter(wanted);
      return { revision: this.store.revision, objects };
    }
    const rest = this.rests.get(token);
    if (rest === undefined)
      throw expired(
        'The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.',
      );
    return rest;
  }

  private keep(rest: Rest): string {
    this.made += 1;
    const token = Buffer.from(JSON.stringify({ v: 'stand-in', rv: rest.revision, n: this.made })).toString(
      'base64url',
    );
    this.rests.set(token, rest);
    for (const oldest of this.rests.keys()) {
      if (this.rests.size <= OPEN_LISTS) break;
      this.rests.delete(oldest);
    }
    return token;
  }
}
