// Addresses as keys that sort: all IPv4 before all IPv6, each in numerical order. Ranges of the claim table are
// said in these keys (hello.ts, Slice).
import { addressValue } from './addresses.ts';
import type { Ip } from './frames.ts';

/** Below and above every address. */
export const FIRST_KEY = '';
export const LAST_KEY = '~';

/** `10.99.0.100` -> `40a630064`; `fd99::100` -> `6fd99…0100`. Takes canonical text. */
export const addressKey = (ip: Ip): string => {
  const isIpv6 = ip.includes(':');
  const digits = addressValue(ip)
    .toString(16)
    .padStart(isIpv6 ? 32 : 8, '0');
  return `${isIpv6 ? 6 : 4}${digits}`;
};
