import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as resource from '../../../src/io/kubernetes/resource.ts';

const { pathOf } = resource;
const PATHS: readonly [path: string, expected: string][] = [
  [pathOf(resource.SERVICES), '/api/v1/services'],
  [pathOf(resource.NODES, { name: 'n1' }), '/api/v1/nodes/n1'],
  [pathOf(resource.NAMESPACES), '/api/v1/namespaces'],
  [
    pathOf(resource.SECRETS, { namespace: 'holdfast-system', name: 'keys' }),
    '/api/v1/namespaces/holdfast-system/secrets/keys',
  ],
  [
    pathOf(resource.SERVICES, { namespace: 'a', name: 'web', subresource: 'status' }),
    '/api/v1/namespaces/a/services/web/status',
  ],
  [pathOf(resource.ENDPOINT_SLICES), '/apis/discovery.k8s.io/v1/endpointslices'],
  [pathOf(resource.ADDRESS_POOLS), '/apis/holdfast.dev/v1alpha1/addresspools'],
  [
    pathOf(resource.SERVICE_IPS, { name: 'a', subresource: 'status' }),
    '/apis/holdfast.dev/v1alpha1/serviceips/a/status',
  ],
  [pathOf(resource.L2_ADVERTISEMENTS), '/apis/metallb.io/v1beta1/l2advertisements'],
  // A name comes from elsewhere: it must not reach into other paths.
  [pathOf(resource.NODES, { name: '../secrets?x=1' }), '/api/v1/nodes/..%2Fsecrets%3Fx%3D1'],
];
for (const [path, expected] of PATHS) test(`${expected} is a path`, () => assert.equal(path, expected));
