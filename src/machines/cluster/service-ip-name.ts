// The name of an address's ServiceIP object. One address has one name and one name one address, because "create"
// is the compare-and-swap that keeps two allocators from giving an address twice. A name of Kubernetes is a
// DNS-1123 subdomain: no colon, a letter or digit at either end.
//
// IPv4: the address itself (`10.99.0.100`). IPv6: the canonical text with `-` for `:`, and a 0 where it would
// begin or end with `::` (`fd99::100` → `fd99--100`, `fd99::` → `fd99--0`). deploy/crds checks the same rule.
import { addressValue } from '../addresses.ts';
import type { Ip } from '../frames.ts';
import { addressText } from './address-text.ts';

/** `10.99.0.100` → `10.99.0.100`; `fd99::100` → `fd99--100`. Takes canonical text. */
export const serviceIpName = (ip: Ip): string => {
  if (!ip.includes(':')) return ip;
  const head = ip.startsWith('::') ? '0' : '';
  const tail = ip.endsWith('::') ? '0' : '';
  return `${head}${ip}${tail}`.replaceAll(':', '-');
};

const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;
const IPV6_GROUPS = /^[0-9a-f]{1,4}(-[0-9a-f]{1,4}){7}$/;
const IPV6_SHORT = /^[0-9a-f]{1,4}(-[0-9a-f]{1,4}){0,5}--[0-9a-f]{1,4}(-[0-9a-f]{1,4}){0,5}$/;

/** The address whose object bears this name; null for a name that no address has. */
export const ipOfServiceIpName = (name: string): Ip | null => {
  if (!IPV4.test(name) && !IPV6_GROUPS.test(name) && !IPV6_SHORT.test(name)) return null;
  const text = name.replaceAll('-', ':');
  const isIpv6 = text.includes(':');
  if (isIpv6 && text.split(/::|:/).length > 8) return null;
  if (!isIpv6 && text.split('.').some((part) => Number(part) > 255)) return null;
  const ip = addressText(addressValue(text), isIpv6 ? 'IPv6' : 'IPv4');
  return serviceIpName(ip) === name ? ip : null;
};
