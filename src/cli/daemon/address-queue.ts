// Addresses to put on this host and to take away, in slices: ten thousand take the kernel seconds, in which a main
// thread that did all at once would answer nobody and miss its watchdog. Level-based: what is wanted last of an IP
// is what is done, so a flapping link costs one entry an IP.
import type { ServeHost } from '../../io/host/serve-host.ts';
import type { Ip } from '../../machines/frames.ts';

/** Some 100 ms of kernel time at worst (IPv6, thousands there already), a fifth of the shortest watchdog. */
const SLICE = 250;

type Wish = 'add' | 'remove';

/** The first slice is done at once: a failover of a few IPs waits for nothing. */
export const queueAddresses = (
  host: Pick<ServeHost, Wish>,
  isWanted: (wish: Wish, ip: Ip) => boolean,
): ((wish: Wish, ips: readonly Ip[]) => void) => {
  const waiting = new Map<Ip, Wish>();
  let isDue = false;

  /** The next ones that ask for the same; those that nobody wants any more are forgotten on the way. */
  const takeSlice = (): { readonly wish: Wish; readonly ips: readonly Ip[] } | null => {
    let first: Wish | null = null;
    const ips: Ip[] = [];
    for (const [ip, wish] of waiting) {
      if (ips.length === SLICE || (first !== null && wish !== first)) break;
      waiting.delete(ip);
      if (!isWanted(wish, ip)) continue;
      first = wish;
      ips.push(ip);
    }
    return first === null ? null : { wish: first, ips };
  };

  const work = (): void => {
    isDue = false;
    const slice = takeSlice();
    if (slice !== null) host[slice.wish](slice.ips);
    if (waiting.size === 0 || isDue) return;
    isDue = true;
    setImmediate(work);
  };

  return (wish, ips) => {
    for (const ip of ips) {
      waiting.delete(ip);
      waiting.set(ip, wish);
    }
    if (!isDue) work();
  };
};
