// What a host's kernel keeps for its node: the service addresses it accepts traffic for, and the multicast
// groups its NIC lets through. Netlink requests are done one batch after another.
import { multicastMac, solicitedNodeAddress } from '../../src/machines/addresses.ts';
import type { Ip, Mac } from '../../src/machines/frames.ts';
import type { EventQueue } from './event-queue.ts';

export interface SimKernel {
  accepts(ip: Ip): boolean;
  /** `onDone` is called with what was added, unless the kernel was cleared meanwhile. */
  add(ips: readonly Ip[], onDone: (ips: readonly Ip[]) => void): void;
  remove(ips: readonly Ip[]): void;
  join(ip: Ip): void;
  leave(ip: Ip): void;
  /** Does the NIC let a frame to this solicited-node group through? */
  isMember(mac: Mac): boolean;
  /** The process died: its sockets, and so its group memberships, are gone. */
  closeSockets(): void;
  /** The host died, or the next start cleaned up: no address is left. */
  clear(): void;
}

export const createSimKernel = (queue: EventQueue, requestMs: () => number): SimKernel => {
  const addresses = new Set<Ip>();
  const groups = new Map<Mac, Set<Ip>>();
  let busyUntil = 0;
  let generation = 0;

  const inTurn = (run: () => void): void => {
    const mine = generation;
    busyUntil = Math.max(busyUntil, queue.now()) + requestMs();
    queue.at(busyUntil, () => {
      if (mine === generation) run();
    });
  };
  const groupOf = (ip: Ip): Mac => multicastMac(solicitedNodeAddress(ip));

  return {
    accepts: (ip) => addresses.has(ip),
    add: (ips, onDone) =>
      inTurn(() => {
        for (const ip of ips) addresses.add(ip);
        onDone(ips);
      }),
    remove: (ips) =>
      inTurn(() => {
        for (const ip of ips) addresses.delete(ip);
      }),
    join: (ip) => {
      const members = groups.get(groupOf(ip)) ?? new Set();
      groups.set(groupOf(ip), members.add(ip));
    },
    leave: (ip) => {
      const members = groups.get(groupOf(ip));
      members?.delete(ip);
      if (members?.size === 0) groups.delete(groupOf(ip));
    },
    isMember: (mac) => groups.has(mac),
    closeSockets: () => groups.clear(),
    clear: () => {
      generation += 1;
      busyUntil = 0;
      addresses.clear();
      groups.clear();
    },
  };
};
