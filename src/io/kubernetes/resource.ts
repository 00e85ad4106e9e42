// The resources that Holdfast reads and writes, and their paths in the API.

export interface Resource {
  /** Empty: the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
}

const core = (plural: string, kind: string): Resource => ({ group: '', version: 'v1', plural, kind });

export const SERVICES = core('services', 'Service');
export const NODES = core('nodes', 'Node');
export const EVENTS = core('events', 'Event');
export const SECRETS = core('secrets', 'Secret');
export const NAMESPACES = core('namespaces', 'Namespace');
export const ENDPOINT_SLICES: Resource = {
  group: 'discovery.k8s.io',
  version: 'v1',
  plural: 'endpointslices',
  kind: 'EndpointSlice',
};
export const LEASES: Resource = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
};

const own = (plural: string, kind: string): Resource => ({
  group: 'holdfast.dev',
  version: 'v1alpha1',
  plural,
  kind,
});
export const ADDRESS_POOLS = own('addresspools', 'AddressPool');
export const SERVICE_IPS = own('serviceips', 'ServiceIP');

const metallb = (plural: string, kind: string): Resource => ({
  group: 'metallb.io',
  version: 'v1beta1',
  plural,
  kind,
});
export const IP_ADDRESS_POOLS = metallb('ipaddresspools', 'IPAddressPool');
export const L2_ADVERTISEMENTS = metallb('l2advertisements', 'L2Advertisement');

export const apiVersionOf = ({ group, version }: Resource): string =>
  group === '' ? version : `${group}/${version}`;

/** What an object is called in its collection. `namespace` null: of the whole cluster. */
export interface Place {
  readonly namespace?: string | null;
  readonly name?: string;
  readonly subresource?: 'status';
}

/** The path of a collection, an object, or its status. */
export const pathOf = (resource: Resource, { namespace = null, name, subresource }: Place = {}): string => {
  const { group, version, plural } = resource;
  const parts = group === '' ? ['api', version] : ['apis', group, version];
  if (namespace !== null) parts.push('namespaces', namespace);
  parts.push(plural);
  if (name !== undefined) parts.push(name);
  if (subresource !== undefined) parts.push(subresource);
  return `/${parts.map(encodeURIComponent).join('/')}`;
};

/** `namespace/name`, or `name` where there is no namespace: the key of every mirrored object. */
export const keyOf = (namespace: string | null | undefined, name: string): string =>
  namespace === null || namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
