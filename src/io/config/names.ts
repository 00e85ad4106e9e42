// Readers for the names in a configuration: nodes, interfaces, paths, load balancer classes, and the places that
// the program listens on. Each rule is that of whoever has the last word: wire protocol, kernel, Kubernetes.
import { isAbsolute, posix } from 'node:path';
import { parseIp } from '../packets/address.ts';
import { quote, type Read } from './wrong.ts';

/** A hello carries a node's name in at most 63 bytes. */
const MAX_NODE_NAME = 63;
/** IFNAMSIZ is 16 with the closing zero (linux/if.h). */
const MAX_INTERFACE_NAME = 15;
/** sun_path is 108 bytes with the closing zero (linux/un.h). */
const MAX_SOCKET_PATH = 107;
const MAX_PATH = 4095;
/** RFC 1035 §2.3.4. */
const MAX_HOST_NAME = 253;

const LABEL = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?';
const SUBDOMAIN = new RegExp(`^${LABEL}(\\.${LABEL})*$`);
const CLASS_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** A DNS-1123 subdomain, which is what Kubernetes calls nodes, of at most 63 bytes. */
export const readNodeName = (text: string): Read<string> => {
  if (text.length > MAX_NODE_NAME) {
    return { wrong: `${quote(text)} has ${text.length} characters`, right: `at most ${MAX_NODE_NAME}` };
  }
  if (SUBDOMAIN.test(text)) return { value: text };
  const lower = text.toLowerCase();
  const right = SUBDOMAIN.test(lower) ? lower : 'lower-case letters, digits, "-" and "." such as n1';
  return { wrong: `${quote(text)} is not a node name`, right };
};

/** A name that the kernel's dev_valid_name accepts. */
export const readInterfaceName = (text: string): Read<string> => {
  const length = Buffer.byteLength(text);
  const valid = !/[/:\s\p{Cc}]/u.test(text) && text !== '.' && text !== '..';
  if (valid && length > 0 && length <= MAX_INTERFACE_NAME) return { value: text };
  const wrong = `${quote(text)} is not an interface name`;
  if (valid && length > 0) return { wrong: `${wrong}: it has ${length} bytes`, right: 'at most 15' };
  return { wrong, right: '1 to 15 bytes without "/", ":" or spaces, such as eth0' };
};

/** An absolute path, normalised: the daemon's working directory is nobody's business. */
export const readPath = (text: string): Read<string> => {
  if (text.includes('\0'))
    return { wrong: `${quote(text)} contains a zero byte`, right: 'a path without it' };
  if (Buffer.byteLength(text) > MAX_PATH) return { wrong: 'is too long', right: `at most ${MAX_PATH} bytes` };
  if (isAbsolute(text)) return { value: posix.normalize(text) };
  const wrong = text === '' ? 'is empty' : `${quote(text)} is a relative path`;
  return { wrong, right: 'an absolute path, which begins with /' };
};

/** A path for a Unix socket: absolute, a file name, and short enough for the kernel. */
export const readSocketPath = (text: string): Read<string> => {
  const path = readPath(text);
  if ('wrong' in path) return path;
  const length = Buffer.byteLength(path.value);
  if (path.value.endsWith('/'))
    return { wrong: `${quote(text)} is a directory`, right: `${text}holdfast.sock` };
  if (length <= MAX_SOCKET_PATH) return path;
  return { wrong: `has ${length} bytes`, right: `a socket's path has at most ${MAX_SOCKET_PATH}` };
};

/** Where to listen. `host` is a canonical address or `localhost`; null means every address of this machine. */
export interface Listen {
  readonly host: string | null;
  readonly port: number;
}

const LISTEN_EXAMPLE = '127.0.0.1:9475, "[::1]:9475", or ":9475" for every address';

const readHost = (text: string): string | null => {
  if (text === 'localhost') return text;
  const bracketed = /^\[(.+)\]$/.exec(text)?.[1];
  const ip = parseIp(bracketed ?? text);
  return ip !== null && ip.includes(':') === (bracketed !== undefined) ? ip : null;
};

/** `host:port`, `[v6]:port` or `:port`; names other than localhost would need a resolver to start. */
export const readListen = (text: string): Read<Listen> => {
  const colon = text.lastIndexOf(':');
  const digits = text.slice(colon + 1);
  const address = text.slice(0, Math.max(colon, 0));
  if (/^\d+$/.test(text)) return { wrong: `${quote(text)} is only a port`, right: `":${text}" (quoted)` };
  if (parseIp(text)?.includes(':')) {
    return { wrong: `${quote(text)} leaves open where the port begins`, right: `"[${address}]:${digits}"` };
  }
  if (colon < 0) return { wrong: `${quote(text)} has no port`, right: LISTEN_EXAMPLE };
  const host = address === '' ? null : readHost(address);
  if (address !== '' && host === null) {
    const wrong = `${quote(text)} has the host ${quote(address)}, which is no address`;
    return { wrong, right: LISTEN_EXAMPLE };
  }
  const port = /^[1-9]\d{0,4}$/.test(digits) ? Number(digits) : 0;
  if (port >= 1 && port <= 65_535) return { value: { host, port } };
  return { wrong: `${quote(text)} has the port ${quote(digits)}`, right: 'a port from 1 to 65535' };
};

/** The text that `readListen` reads as `listen`. */
export const formatListen = ({ host, port }: Listen): string =>
  `${host?.includes(':') ? `[${host}]` : (host ?? '')}:${port}`;

/** A name or address as a browser sends it in Host, without the port; lower case, IPv6 without brackets. */
export const readHostName = (text: string): Read<string> => {
  const bare = /^\[(.+)\]$/.exec(text)?.[1] ?? text;
  const ip = parseIp(bare);
  if (ip !== null) return { value: ip };
  const lower = text.toLowerCase();
  if (lower.length <= MAX_HOST_NAME && SUBDOMAIN.test(lower)) return { value: lower };
  const right = 'a name or an address without scheme and port, such as lb.example.org';
  return { wrong: `${quote(text)} is no host name`, right };
};

/** A label-style identifier with an optional prefix, as the Service API demands of loadBalancerClass. */
export const readClass = (text: string): Read<string> => {
  const slash = text.indexOf('/');
  const prefixed = slash < 0 || (slash <= 253 && SUBDOMAIN.test(text.slice(0, slash)));
  if (prefixed && CLASS_NAME.test(text.slice(slash + 1))) return { value: text };
  return { wrong: `${quote(text)} is not a load balancer class`, right: 'a name such as holdfast.dev/l2' };
};
