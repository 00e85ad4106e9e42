// Asking whether an address is in use before its first claim ever (RFC 5227 §2.1.1, RFC 4862 §5.4): three
// probes over the first four sevenths of the probing time, the rest is for listening. Pure.
import type { Ip } from './frames.ts';
import { createTimers } from './timers.ts';

/** RFC 5227 §1.1: PROBE_NUM. */
const PROBE_NUM = 3;
/** Of the 7 s of a full probing: two gaps of PROBE_MAX 2 s, then the rest of PROBE_WAIT and ANNOUNCE_WAIT. */
const LAST_PROBE_SHARE = 4 / 7;

interface Probe {
  readonly ip: Ip;
  readonly interface: string;
}

export interface AddressProbes {
  start(ip: Ip, interfaceName: string, at: number, durationMs: number): void;
  stop(ip: Ip): void;
  stopAll(): void;
  isProbing(ip: Ip): boolean;
  /** The probes to send now, and the addresses whose probing is over without a conflict. */
  takeDue(at: number): { readonly probes: readonly Probe[]; readonly passed: readonly Ip[] };
  nextDeadline(): number | null;
}

export const createAddressProbes = (): AddressProbes => {
  const timers = createTimers<Probe & { readonly isEnd: boolean }>();
  const probing = new Set<Ip>();

  const stop = (ip: Ip): void => {
    probing.delete(ip);
    for (let index = 0; index <= PROBE_NUM; index += 1) timers.cancel(`${ip} ${index}`);
  };

  return {
    start: (ip, interfaceName, at, durationMs) => {
      stop(ip);
      probing.add(ip);
      const spacing = (durationMs * LAST_PROBE_SHARE) / (PROBE_NUM - 1);
      for (let index = 0; index < PROBE_NUM; index += 1) {
        timers.set(`${ip} ${index}`, at + index * spacing, { ip, interface: interfaceName, isEnd: false });
      }
      timers.set(`${ip} ${PROBE_NUM}`, at + durationMs, { ip, interface: interfaceName, isEnd: true });
    },
    stop,
    stopAll: () => {
      for (const ip of [...probing]) stop(ip);
    },
    isProbing: (ip) => probing.has(ip),
    takeDue: (at) => {
      const probes: Probe[] = [];
      const passed: Ip[] = [];
      for (let timer = timers.takeDue(at); timer !== null; timer = timers.takeDue(at)) {
        const { isEnd, ...probe } = timer.payload;
        if (!isEnd) probes.push(probe);
        else if (probing.delete(probe.ip)) passed.push(probe.ip);
      }
      return { probes, passed };
    },
    nextDeadline: () => timers.next(),
  };
};
