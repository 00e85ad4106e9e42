// The resources that the stand-in API server knows: what Holdfast reads and writes, and nothing more. Where real
// Kubernetes treats kinds differently (who may be replaced without a resourceVersion, whose status counts at
// creation) the table says so.

export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Has a `/status` subresource: a write to either half leaves the other alone. */
  readonly status: boolean;
  /** Custom resources keep apiVersion and kind in list items and must name a resourceVersion to be replaced. */
  readonly custom: boolean;
  /** Replaced without a resourceVersion: allowed for most of the built-in kinds. */
  readonly unconditional: boolean;
  /** Kept by Kubernetes for these kinds only. */
  readonly generation: boolean;
}

const builtIn = (
  group: string,
  version: string,
  plural: string,
  kind: string,
  rest: Partial<Resource> = {},
): Resource => ({
  group,
  version,
  plural,
  singular: kind.toLowerCase(),
  kind,
  namespaced: true,
  status: false,
  custom: false,
  unconditional: true,
  generation: false,
  ...rest,
});

const custom = (group: string, version: string, plural: string, kind: string, rest: Partial<Resource> = {}) =>
  builtIn(group, version, plural, kind, { custom: true, unconditional: false, generation: true, ...rest });

export const RESOURCES: readonly Resource[] = [
  builtIn('', 'v1', 'namespaces', 'Namespace', { namespaced: false, status: true }),
  builtIn('', 'v1', 'nodes', 'Node', { namespaced: false, status: true }),
  builtIn('', 'v1', 'services', 'Service', { status: true }),
  builtIn('', 'v1', 'events', 'Event'),
  builtIn('', 'v1', 'secrets', 'Secret'),
  builtIn('discovery.k8s.io', 'v1', 'endpointslices', 'EndpointSlice', { generation: true }),
  builtIn('coordination.k8s.io', 'v1', 'leases', 'Lease', { unconditional: false }),
  custom('holdfast.dev', 'v1alpha1', 'addresspools', 'AddressPool', { namespaced: false, status: true }),
  custom('holdfast.dev', 'v1alpha1', 'serviceips', 'ServiceIP', { namespaced: false, status: true }),
  custom('metallb.io', 'v1beta1', 'ipaddresspools', 'IPAddressPool', { status: true }),
  custom('metallb.io', 'v1beta1', 'l2advertisements', 'L2Advertisement', { status: true }),
];

export const apiVersionOf = ({ group, version }: Resource): string =>
  group === '' ? version : `${group}/${version}`;

/** `services`, `leases.coordination.k8s.io`: the name that error messages use. */
export const qualified = ({ group, plural }: Resource): string =>
  group === '' ? plural : `${plural}.${group}`;

/** The path of a collection; `namespace` null is the collection over all namespaces. */
export const collectionPath = (resource: Resource, namespace: string | null = null): string => {
  const root = resource.group === '' ? '/api' : `/apis/${resource.group}`;
  const scope = namespace === null ? '' : `/namespaces/${namespace}`;
  return `${root}/${resource.version}${scope}/${resource.plural}`;
};
