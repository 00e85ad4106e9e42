// `serve: host`: puts service IPs on `lo`, so that this machine accepts traffic for them, and takes them away
// again, after a SIGKILL too. Invariant: an address that Holdfast did not put there is never removed. Ours bear
// a mark in IFA_PROTO; a kernel that drops the mark (before 5.18) is found out by reading back, and then the
// state file, written before the addresses are, stands in for it.

import assert from 'node:assert/strict';
import { familyOf, type Ip } from '../../machines/frames.ts';
import { EEXIST, ENETDOWN, SystemError } from '../native/libc.ts';
import { parseIp } from '../packets/address.ts';
import {
  type AddressMessage,
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  IFF_UP,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RT_SCOPE_HOST,
  RT_SCOPE_UNIVERSE,
} from './netlink-messages.ts';
import { openNetlinkSocket } from './netlink-socket.ts';
import { openStateSection } from './state-file.ts';

/**
 * Our value of IFA_PROTO ("address protocol", who put it there): 'H'. The kernel names 1–3 and passes the rest
 * through; 72 is also unassigned among the routing protocols (linux/rtnetlink.h RTPROT_*, iproute2 rt_protos)
 * whose numbers other daemons use here.
 */
export const IFA_PROTO_HOLDFAST = 72;

/** The kernel gives `lo` this index in every network namespace (linux/netdevice.h, LOOPBACK_IFINDEX). */
const LOOPBACK_INDEX = 1;
const EINVAL = 22;

interface AddressResult {
  readonly ip: Ip;
  /** `present`: on this host already and not ours; it serves, and stays when we go. */
  readonly outcome: 'added' | 'present' | 'failed';
  /** Of a failure: EPERM (CAP_NET_ADMIN is missing), ENETDOWN (`lo` is down), EINVAL (not a canonical address). */
  readonly code?: string;
}

interface RemovalResult {
  readonly ip: Ip;
  /** `kept`: on this host, but not ours. */
  readonly outcome: 'removed' | 'absent' | 'kept' | 'failed';
  readonly code?: string;
}

interface HostAddresses {
  /** One result per IP, in order; ours already: `added`. Throws SystemError if the netlink socket fails. */
  readonly add: (ips: readonly Ip[]) => AddressResult[];
  /**
   * Which of these the kernel accepts packets for by now. It makes the local route of an IPv6 address on a work
   * queue, after it has acknowledged the address (measured: a median of 1 ms, 75 ms at worst on busy cores).
   */
  readonly areServing: (ips: readonly Ip[]) => boolean[];
  /** One result per IP, in order. IPv6 costs the kernel up to 0.3 ms each. Throws SystemError like `add`. */
  readonly remove: (ips: readonly Ip[]) => RemovalResult[];
  /** Once, before the first `add`, when no other Holdfast runs here: removes what the last one left. */
  readonly cleanLeftovers: () => Ip[];
  /** Why the state file could not be written last time, if it was needed: a crash now leaves addresses behind. */
  readonly unrecorded: () => string | null;
  /** Closes the socket; the addresses stay. */
  readonly close: () => void;
}

const codeOf = (errno: number): string => new SystemError('netlink', errno).code;

/** The address as it is put on `lo`. */
const onLoopback = (ip: Ip): Omit<AddressMessage, 'change' | 'headerFlags' | 'sequence'> => ({
  kind: 'address',
  index: LOOPBACK_INDEX,
  ip,
  peer: null,
  protocol: IFA_PROTO_HOLDFAST,
  ...(familyOf(ip) === 'ipv4'
    ? {
        prefixLength: 32,
        // Replies take their source from the request, whatever the scope. With a global scope the kernel would
        // also *choose* the address for traffic that this host begins itself (devinet.c, inet_select_addr: "Not
        // loopback addresses on loopback should be preferred"), and with arp_ignore=3 its ARP would answer it.
        scope: RT_SCOPE_HOST,
        flags: 0,
        preferredSeconds: null,
      }
    : {
        prefixLength: 128,
        // The kernel derives an IPv6 scope from the address; being deprecated is what keeps this one from being
        // chosen as a source (RFC 6724 §5, rule 3). It serves all the same (RFC 4862 §5.5.4).
        scope: RT_SCOPE_UNIVERSE,
        flags: IFA_F_NODAD | IFA_F_NOPREFIXROUTE,
        preferredSeconds: 0,
      }),
});

/** `stateFile`: see state-file.ts; its directory must exist. Throws SystemError if there is no netlink socket. */
export const openHostAddresses = (options: { readonly stateFile: string }): HostAddresses => {
  const socket = openNetlinkSocket();
  const state = openStateSection(options.stateFile, 'addresses');
  const loaded = state.load();
  /** Written to the state file: ours, or about to be, on a kernel that may not keep the mark. */
  let recorded = new Set<Ip>(Array.isArray(loaded) ? loaded.filter((ip) => typeof ip === 'string') : []);
  let mark: 'unknown' | 'kept' | 'dropped' = 'unknown';
  let saveError: string | null = null;
  let used = false;

  const record = (ips: Iterable<Ip>): void => {
    recorded = new Set(ips);
    saveError = state.save(recorded.size === 0 ? null : [...recorded]);
  };

  const isOurs = (address: AddressMessage): boolean => {
    const whole = address.prefixLength === (familyOf(address.ip) === 'ipv4' ? 32 : 128);
    if (address.index !== LOOPBACK_INDEX || !whole || address.peer !== null) return false;
    if (address.protocol === IFA_PROTO_HOLDFAST) return true;
    return mark !== 'kept' && address.protocol === 0 && recorded.has(address.ip);
  };

  /** Every address on this host, whichever the interface. 10,000 take about 10 ms. */
  const readHost = (): Map<Ip, AddressMessage[]> => {
    const host = new Map<Ip, AddressMessage[]>();
    for (const message of socket.dump('addresses')) {
      if (message.kind !== 'address') continue;
      const known = host.get(message.ip);
      if (known === undefined) host.set(message.ip, [message]);
      else known.push(message);
    }
    return host;
  };

  const loopbackIsUp = (): boolean =>
    socket
      .dump('links')
      .some((link) => link.kind === 'link' && link.index === LOOPBACK_INDEX && (link.flags & IFF_UP) !== 0);

  /** Whether the kernel kept the mark on addresses just added; once known, it stays known. */
  const learnMark = (added: readonly Ip[]): void => {
    const host = readHost();
    const example = added.flatMap((ip) => host.get(ip) ?? []).find(isOurs);
    if (example === undefined) return;
    mark = example.protocol === IFA_PROTO_HOLDFAST ? 'kept' : 'dropped';
    if (mark === 'kept') record([]);
  };

  /** An errno per IP, 0 for added. */
  const addNew = (ips: readonly Ip[]): number[] => {
    if (!loopbackIsUp()) return ips.map(() => ENETDOWN);
    const before = recorded;
    if (mark !== 'kept') record([...before, ...ips]);
    const errnos = socket.request(ips.length, (index, header) => ({
      ...onLoopback(ips[index] as Ip),
      ...header,
      headerFlags: header.headerFlags | NLM_F_CREATE | NLM_F_EXCL,
      change: 'new',
    }));
    const added = ips.filter((_, index) => errnos[index] === 0);
    if (mark === 'unknown') learnMark(added);
    if (mark !== 'kept' && added.length < ips.length) record([...before, ...added]);
    return errnos;
  };

  const add = (ips: readonly Ip[]): AddressResult[] => {
    used = true;
    const host = readHost();
    const results = new Map<Ip, AddressResult>();
    const wanted: Ip[] = [];
    for (const ip of new Set(ips)) {
      const known = host.get(ip) ?? [];
      if (parseIp(ip) !== ip) results.set(ip, { ip, outcome: 'failed', code: codeOf(EINVAL) });
      else if (known.some(isOurs)) results.set(ip, { ip, outcome: 'added' });
      else if (known.length > 0) results.set(ip, { ip, outcome: 'present' });
      else wanted.push(ip);
    }
    const errnos = wanted.length > 0 ? addNew(wanted) : [];
    for (const [index, ip] of wanted.entries()) {
      const errno = errnos[index] ?? 0;
      if (errno === 0) results.set(ip, { ip, outcome: 'added' });
      // Somebody else was quicker by a moment.
      else if (errno === EEXIST) results.set(ip, { ip, outcome: 'present' });
      else results.set(ip, { ip, outcome: 'failed', code: codeOf(errno) });
    }
    return ips.map((ip) => results.get(ip) as AddressResult);
  };

  /** Removes ours among `addresses`, in the kernel's own order, which spares it searching. An errno for each. */
  const removeOurs = (addresses: readonly AddressMessage[]): number[] => {
    const errnos = socket.request(addresses.length, (index, header) => ({
      ...onLoopback((addresses[index] as AddressMessage).ip),
      ...header,
      change: 'deleted',
    }));
    if (recorded.size > 0) {
      const gone = new Set(addresses.filter((_, index) => errnos[index] === 0).map((address) => address.ip));
      record([...recorded].filter((ip) => !gone.has(ip)));
    }
    return errnos;
  };

  const remove = (ips: readonly Ip[]): RemovalResult[] => {
    const host = readHost();
    const asked = new Set(ips);
    const ours = [...host.values()].flat().filter((address) => asked.has(address.ip) && isOurs(address));
    const errnos = removeOurs(ours);
    const errnoOf = new Map(ours.map((address, index) => [address.ip, errnos[index] ?? 0]));
    return ips.map((ip) => {
      const errno = errnoOf.get(ip);
      if (errno === undefined) return { ip, outcome: host.has(ip) ? 'kept' : 'absent' };
      return errno === 0 ? { ip, outcome: 'removed' } : { ip, outcome: 'failed', code: codeOf(errno) };
    });
  };

  const cleanLeftovers = (): Ip[] => {
    assert(!used, 'cleanLeftovers() would remove what this process has added');
    const ours = [...readHost().values()].flat().filter(isOurs);
    const errnos = removeOurs(ours);
    if (recorded.size > 0 && errnos.every((errno) => errno === 0)) record([]);
    return ours.filter((_, index) => errnos[index] === 0).map((address) => address.ip);
  };

  // An IPv4 address has its route before it is acknowledged: only IPv6 need be asked for.
  const areServing = (ips: readonly Ip[]): boolean[] => {
    const asked = ips.filter((ip) => familyOf(ip) === 'ipv6');
    const local = socket.areLocal(asked);
    const byIp = new Map(asked.map((ip, index) => [ip, local[index] ?? false]));
    return ips.map((ip) => byIp.get(ip) ?? true);
  };

  return { add, remove, areServing, cleanLeftovers, unrecorded: () => saveError, close: socket.close };
};
