// Where the API server is and how to be let in: a kubeconfig file, or the pod's service account. The client library
// reads both; connections are our own, because it opens one for every request. Certificates and tokens that are
// rotated on disk are followed.
import { Agent as HttpAgent, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions as TlsRequestOptions } from 'node:https';
import { isDeepStrictEqual } from 'node:util';
import type { KubeConfig } from '@kubernetes/client-node';
import { oneLine } from '../config/wrong.ts';

/** How long read files are trusted. The kubelet rotates tokens long before they end. */
const FRESH_MS = 10_000;
/** Eight watches, a few writes and a list; more would only queue in the server. */
const MAX_SOCKETS = 32;
/** Idle connections end before a real server's 90 s or a firewall's memory does. */
const IDLE_MS = 30_000;
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface Access {
  readonly server: URL;
  /** The service account's, or the context's. */
  readonly namespace: string | null;
  /** Host, port, agent, credentials. Rejects if a file has become unreadable. */
  options(): Promise<RequestOptions>;
  /** The server did not accept the credentials: read them again before the next request. */
  doubt(): void;
  close(): void;
}

/** `problem` is one line: key, what is wrong, what would be right. */
export type Opened<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: string };

const KEY = 'kubernetes.kubeconfig';
const refuse = (text: string): { ok: false; problem: string } => ({
  ok: false,
  problem: oneLine(`${KEY}: ${text}`),
});

const firstLine = (error: unknown): string =>
  ((error as Error).message ?? String(error)).split('\n', 1)[0] ?? '';

/** What is wrong with the loaded config, or null. */
const objection = (config: KubeConfig, mayRunPrograms: boolean): string | null => {
  const cluster = config.getCurrentCluster();
  const context = config.getCurrentContext();
  if (!context) return 'has no current-context; name one of its contexts';
  if (cluster === null || typeof cluster.server !== 'string')
    return `its current-context "${context}" leads to no cluster with a server; mend contexts and clusters`;
  if (!URL.canParse(cluster.server))
    return `its server "${cluster.server}" is no URL, such as https://10.0.0.1:6443`;
  const user = config.getCurrentUser();
  if (user === null) return `its current-context "${context}" names a user that is not in it; add the user`;
  const provider = user.authProvider as { name?: string } | undefined;
  const isProgram = user.exec || (provider !== undefined && provider.name !== 'tokenFile');
  if (isProgram && !mayRunPrograms)
    // The daemon starts no programs, and has no right to in a container.
    return 'its user gets credentials from a program; use a token, a token file or a client certificate';
  if (cluster.server.startsWith('http:') && !cluster.skipTLSVerify)
    return `its server ${cluster.server} is plain HTTP; use https, or say insecure-skip-tls-verify: true`;
  return null;
};

type Load = () => Promise<Opened<KubeConfig>>;

const loaderOf = (kubeconfig: string | null, root: string, mayRunPrograms: boolean): Load => {
  const create = async (): Promise<KubeConfig> => {
    // 330 ms and 80 MB: only for who runs in Kubernetes mode.
    const { KubeConfig: Config } = await import('@kubernetes/client-node');
    return new Config();
  };
  if (kubeconfig !== null)
    return async () => {
      const config = await create();
      try {
        config.loadFromFile(kubeconfig);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== undefined)
          return refuse(`${kubeconfig} cannot be read (${code}); name a readable kubeconfig`);
        return refuse(`${kubeconfig} is no kubeconfig (${firstLine(error)}); name one that kubectl accepts`);
      }
      const wrong = objection(config, mayRunPrograms);
      return wrong === null ? { ok: true, value: config } : refuse(`${kubeconfig}: ${wrong}`);
    };
  return async () => {
    const name = ['KUBERNETES_SERVICE_HOST', 'KUBERNETES_SERVICE_PORT'].find((each) => !process.env[each]);
    if (name !== undefined)
      return refuse(
        `null means the pod's service account, but ${name} is not set: this is no pod; name a kubeconfig file`,
      );
    const config = await create();
    config.loadFromCluster(root);
    return { ok: true, value: config };
  };
};

class FileAccess implements Access {
  readonly server: URL;
  readonly namespace: string | null;
  private readonly load: Load;
  private config: KubeConfig;
  private known: RequestOptions | null = null;
  private knownAt = 0;
  private material: unknown = null;
  private agent: HttpAgent | null = null;
  private doubted = false;

  constructor(load: Load, config: KubeConfig) {
    this.load = load;
    this.config = config;
    this.server = new URL(config.getCurrentCluster()?.server ?? '');
    this.namespace = config.getContextObject(config.getCurrentContext())?.namespace?.trim() || null;
  }

  async options(): Promise<RequestOptions> {
    if (this.known !== null && performance.now() - this.knownAt < FRESH_MS) return this.known;
    if (this.doubted) {
      this.doubted = false;
      const loaded = await this.load();
      // A file that is being written is bad for a moment: the last good one stays.
      if (loaded.ok) this.config = loaded.value;
    }
    const applied: TlsRequestOptions = {};
    await this.config.applyToHTTPSOptions(applied);
    this.known = this.connected(applied);
    this.knownAt = performance.now();
    return this.known;
  }

  doubt(): void {
    this.doubted = true;
    this.known = null;
  }

  close(): void {
    this.agent?.destroy();
  }

  private connected(applied: TlsRequestOptions): RequestOptions {
    const { hostname, port, protocol } = this.server;
    const target = {
      protocol,
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port || (protocol === 'https:' ? 443 : 80),
      headers: applied.headers ?? {},
      ...(applied.auth ? { auth: applied.auth } : {}),
    };
    // Through a proxy the library's own agent knows the way.
    if (this.config.getCurrentCluster()?.proxyUrl) return { ...target, agent: applied.agent as HttpAgent };
    const { ca, cert, key, rejectUnauthorized, servername } = applied;
    const material = { ca, cert, key, rejectUnauthorized, servername };
    if (this.agent === null || !isDeepStrictEqual(material, this.material)) {
      const pool = { keepAlive: true, maxSockets: MAX_SOCKETS, timeout: IDLE_MS };
      const present = Object.fromEntries(Object.entries(material).filter(([, value]) => value !== undefined));
      // What runs over the old one may end by itself; its idle connections soon do.
      this.agent = protocol === 'https:' ? new HttpsAgent({ ...pool, ...present }) : new HttpAgent(pool);
      this.material = material;
    }
    return { ...target, agent: this.agent };
  }
}

/**
 * Loads the credentials, and refuses in one line what cannot be used. `root` is put before the service account's
 * folder; tests have one of their own. `mayRunPrograms`: a person's kubeconfig, which may name one for credentials.
 */
export const openAccess = async (
  kubeconfig: string | null,
  root = '',
  mayRunPrograms = false,
): Promise<Opened<Access>> => {
  const load = loaderOf(kubeconfig, root, mayRunPrograms);
  const loaded = await load();
  if (!loaded.ok) return loaded;
  const access = new FileAccess(load, loaded.value);
  try {
    await access.options();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const where = kubeconfig ?? `${root}${SERVICE_ACCOUNT}`;
    const right =
      kubeconfig === null
        ? 'mount the service account (automountServiceAccountToken: true), or name a kubeconfig file'
        : 'mend the files that it names';
    return refuse(`${where}: ${code === undefined ? '' : `${code}: `}${firstLine(error)}; ${right}`);
  }
  return { ok: true, value: access };
};
