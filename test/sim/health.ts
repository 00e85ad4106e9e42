// Who is fit to serve, and since when: the ground truth that checkers judge the nodes by. Fit means that
// nothing was done to the node: it runs, is neither paused nor busy, has carrier, hears and is heard by all in
// its half. A node that is unfit may still serve; it just cannot be expected to.
import type { EventQueue } from './event-queue.ts';
import type { Port, Segment } from './segment.ts';
import type { SimNode } from './sim-node.ts';

export interface Health {
  /** Looks again at every node; call after anything was done to one. */
  refresh(): void;
  /** When the node became fit without a break since, or null while it is not. */
  fitSince(name: string): number | null;
  /** The newest change of any node's fitness or of the segment. */
  changedAt(): number;
  /** Something was done that changes nobody's fitness but is a disturbance all the same. */
  disturb(): void;
  /** The two have been able to talk, both ways, since; null while they are not. */
  connectedSince(a: string, b: string): number | null;
}

const pairKey = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`);

export const createHealth = (
  queue: EventQueue,
  segment: Segment,
  nodes: ReadonlyMap<string, SimNode>,
  /** A thread of the node does not get to run. */
  isBusy: (name: string) => boolean,
  /** Its wire thread does not. */
  isLagging: (name: string) => boolean,
): Health => {
  const fit = new Map<string, number>();
  const connected = new Map<string, number>();
  const halves = new Map<string, number>();
  let changedAt = 0;

  const isFit = (node: SimNode, port: Port): boolean => {
    if (!node.isRunning() || node.isPaused() || isBusy(node.name)) return false;
    if (!port.up || port.isMute || port.isDeaf) return false;
    for (const other of segment.ports.values()) {
      if (other === port || other.half !== port.half || !other.up || other.isMute || other.isDeaf) continue;
      if (!segment.reaches(port, other) || !segment.reaches(other, port)) return false;
    }
    return true;
  };

  const isAwake = (node: SimNode): boolean => node.isRunning() && !node.isPaused() && !isLagging(node.name);

  const follow = (table: Map<string, number>, key: string, is: boolean): void => {
    if (is === table.has(key)) return;
    if (is) table.set(key, queue.now());
    else table.delete(key);
    changedAt = queue.now();
  };

  return {
    refresh: () => {
      const all = [...nodes.values()].map((node) => ({ node, port: segment.ports.get(node.name) as Port }));
      for (const { node, port } of all) {
        if (halves.get(node.name) !== port.half) {
          if (halves.has(node.name)) fit.delete(node.name);
          halves.set(node.name, port.half);
          changedAt = queue.now();
        }
        follow(fit, node.name, isFit(node, port));
      }
      for (const [index, a] of all.entries()) {
        for (const b of all.slice(index + 1)) {
          const both =
            !segment.isHushed() &&
            isAwake(a.node) &&
            isAwake(b.node) &&
            segment.reaches(a.port, b.port) &&
            segment.reaches(b.port, a.port);
          follow(connected, pairKey(a.node.name, b.node.name), both);
        }
      }
    },
    fitSince: (name) => fit.get(name) ?? null,
    changedAt: () => changedAt,
    disturb: () => {
      changedAt = queue.now();
    },
    connectedSince: (a, b) => connected.get(pairKey(a, b)) ?? null,
  };
};
