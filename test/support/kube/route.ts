// Which request is about what: the URL scheme of Kubernetes, the verbs as RBAC names them, and the discovery
// documents, which say truthfully what this server has.
import { apiVersionOf, RESOURCES, type Resource } from './resources.ts';

export interface Target {
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly isStatus: boolean;
}

const PATH =
  /^\/(?:api|apis\/([^/]+))\/([^/]+)(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?(?:\/(status))?$/;
/** Namespaces themselves, whose path looks like a scope. */
const NAMESPACE = /^\/api\/v1\/namespaces(?:\/([^/]+))?(?:\/(status))?$/;

/** What a path is about, or null where this server has nothing. */
export const targetOf = (path: string, hasGroup: (group: string) => boolean): Target | null => {
  const own = NAMESPACE.exec(path);
  if (own !== null) {
    const resource = RESOURCES.find(({ plural }) => plural === 'namespaces') as Resource;
    return { resource, namespace: undefined, name: own[1], isStatus: own[2] !== undefined };
  }
  const [, group = '', version, namespace, plural, name, status] = PATH.exec(path) ?? [];
  const resource = RESOURCES.find(
    (each) => each.group === group && each.version === version && each.plural === plural,
  );
  if (resource === undefined || !hasGroup(group)) return null;
  if (!resource.namespaced && namespace !== undefined) return null;
  if (resource.namespaced && namespace === undefined && name !== undefined) return null;
  if (status !== undefined && !resource.status) return null;
  return { resource, namespace, name, isStatus: status !== undefined };
};

const VERBS: Readonly<Record<string, string>> = {
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** The verb as RBAC says it; empty for a method that Kubernetes does not know. */
export const verbOf = (method: string, target: Target, query: URLSearchParams): string => {
  if (method !== 'GET') return VERBS[method] ?? '';
  if (['true', '1'].includes(query.get('watch') ?? '')) return 'watch';
  return target.name === undefined ? 'list' : 'get';
};

const VERB_LIST = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'];

const resourceList = (resources: readonly Resource[]): unknown => ({
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion: apiVersionOf(resources[0] as Resource),
  resources: resources.flatMap(({ plural, singular, kind, namespaced, status }) => {
    const main = { name: plural, singularName: singular, namespaced, kind, verbs: VERB_LIST };
    const half = { name: `${plural}/status`, singularName: '', namespaced, kind };
    return status ? [main, { ...half, verbs: ['get', 'patch', 'update'] }] : [main];
  }),
});

const groupOf = (group: string): Record<string, unknown> => {
  const { version } = RESOURCES.find((each) => each.group === group) as Resource;
  const preferred = { groupVersion: `${group}/${version}`, version };
  return { name: group, versions: [preferred], preferredVersion: preferred };
};

/** The discovery document at `path`, or null. */
export const discovery = (path: string, hasGroup: (group: string) => boolean): unknown => {
  const groups = [...new Set(RESOURCES.map(({ group }) => group))].filter((g) => g !== '' && hasGroup(g));
  if (path === '/version') return { major: '1', minor: '34', gitVersion: 'v1.34.0-stand-in' };
  if (path === '/api') return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
  if (path === '/apis') return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupOf) };
  if (path === '/api/v1') return resourceList(RESOURCES.filter(({ group }) => group === ''));
  const [, group = '', version] = /^\/apis\/([^/]+)(?:\/([^/]+))?$/.exec(path) ?? [];
  if (!groups.includes(group)) return null;
  if (version === undefined) return { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(group) };
  const found = RESOURCES.filter((each) => each.group === group && each.version === version);
  return found.length === 0 ? null : resourceList(found);
};
