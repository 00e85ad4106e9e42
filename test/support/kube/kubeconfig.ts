// Kubeconfig texts for the API servers of tests and labs. JSON is YAML.

/** `token` absent: no user credentials, as the stand-in wants none. */
export const kubeconfigOf = (server: string, token?: string): string =>
  JSON.stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      // The client library refuses plain HTTP without this word; a real test server's certificate signs itself.
      clusters: [{ name: 'test', cluster: { server, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'test', user: token === undefined ? {} : { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      'current-context': 'test',
    },
    null,
    2,
  );
