// Whose requests a server takes at all. A browser asks for whoever wrote the page it shows: another site's script
// (CORS keeps the answer from it, not the request from us), or a name of that site which now resolves to this address
// (DNS rebinding: then even the origin looks right, and only Host tells). Programs send none of these headers.
import type { IncomingMessage } from 'node:http';

export interface Gate {
  /** Names and addresses, lower case, that Host may have beside loopback and the address that was connected to. */
  readonly hosts: () => readonly string[];
}

export interface Refusal {
  readonly status: number;
  readonly error: string;
}

/** `name` of `name`, `name:80`, `[::1]:80`; null: none of these. */
const hostOf = (header: string): string | null => {
  const [, bracketed, plain] = /^(?:\[([0-9a-f.:]+)\]|([^\s:@/\\[\]]+))(?::\d{1,5})?$/i.exec(header) ?? [];
  return (bracketed ?? plain)?.toLowerCase() ?? null;
};

const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1)$/;
/** A dual-stack socket says `::ffff:10.0.0.1` where the browser said `10.0.0.1`. */
const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '').toLowerCase();

const isKnownHost = ({ headers, socket }: IncomingMessage, gate: Gate): boolean => {
  const host = hostOf(headers.host ?? '');
  if (host === null) return false;
  if (LOOPBACK.test(host) || gate.hosts().includes(host)) return true;
  return host === plainAddress(socket.localAddress ?? '');
};

/** The origin of a page served here; what bears no Origin is no page's request, or a plain read of its own site. */
const isOwnOrigin = ({ origin, host }: IncomingMessage['headers']): boolean =>
  origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);

/**
 * Fetch Metadata: a browser's own word on who asks. `none` is a person's address bar, and a link from elsewhere may
 * open the page; nothing of another site may load or send anything.
 */
const isOwnSite = ({ headers, method }: IncomingMessage): boolean => {
  const { 'sec-fetch-site': site, 'sec-fetch-mode': mode } = headers;
  if (site === undefined || site === 'same-origin') return true;
  if (method !== 'GET' && method !== 'HEAD') return false;
  return site === 'none' || mode === 'navigate';
};

/** Why this request is not taken, or null. Without a gate the Host is not looked at. */
export const refusalOf = (request: IncomingMessage, gate: Gate | null): Refusal | null => {
  if (gate !== null && !isKnownHost(request, gate))
    return {
      status: 421,
      error:
        'the Host of this request is no address of this server; names that it is reached by belong into page.hosts',
    };
  if (!isOwnOrigin(request.headers) || !isOwnSite(request))
    return { status: 403, error: 'this is not for pages of other sites' };
  return null;
};
