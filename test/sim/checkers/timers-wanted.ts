// No timer outlives its reason: whatever runs in a core's timer table is wanted by the state that it belongs to.
// A forgotten timer may do nothing today, since every rule looks again at what is; it is a move without a cause
// tomorrow (design.md, What must never happen, 3).
import type { CoreCheckpoint } from '../../../src/machines/core.ts';
import type { Life } from '../sim-node.ts';
import type { CreateChecker } from './checker.ts';

/** Each look costs a checkpoint of every node. */
const LOOK_EVERY_MS = 170;

type Timer = CoreCheckpoint['timers']['timers'][number];
type Kept = CoreCheckpoint['services'][number];

/** States in which each of the machine's own delays runs, as `top.sub`. */
const MACHINE_STATES: Readonly<Record<string, string>> = {
  BACKOFF_DUE: 'unowned.blocked',
  DEFEND_DUE: 'leader.defending',
  QUIET_DUE: 'draining',
  WINDOW_DUE: 'draining',
};

const pathOf = (value: Kept['value']): string =>
  typeof value === 'string' ? value : Object.entries(value).flat().join('.');

const isWanted = ({ payload }: Timer, service: Kept | undefined): boolean => {
  if (payload.kind === 'start' || payload.kind === 'stop' || payload.kind === 'judge') return true;
  if (payload.kind === 'rebalance' || payload.kind === 'leases') return true;
  if (service === undefined) return false;
  const path = pathOf(service.value);
  switch (payload.kind) {
    case 'machine':
      return path.startsWith(MACHINE_STATES[payload.event.type] ?? '?');
    case 'handover':
      return path.startsWith('leader') && service.handover !== null;
    case 'reconsider':
      // While a rival that hears nobody announces the IP, its holder announces against it again and again.
      if (path.startsWith('leader')) return service.rivalDeafSince !== null || service.reassertAt > 0;
      return !path.startsWith('candidate') && service.unheldSince !== null && service.obstacle === null;
  }
};

export const timersWanted: CreateChecker = ({ world, report }) => {
  /** The life that was looked at last, and how many steps it had taken by then: nothing else changes a core. */
  const looked = new Map<string, { readonly life: Life; readonly steps: number }>();
  const look = (name: string): void => {
    const life = world.node(name).lives.at(-1);
    const before = looked.get(name);
    if (life === undefined || (before?.life === life && before.steps === life.steps.length)) return;
    looked.set(name, { life, steps: life.steps.length });
    const kept = world.node(name).core()?.checkpoint();
    if (kept === undefined || kept.timers.timers.length === 0) return;
    const services = new Map(kept.services.map((service) => [service.ip, service]));
    for (const timer of kept.timers.timers) {
      const ip = 'ip' in timer.payload ? timer.payload.ip : null;
      const service = ip === null ? undefined : services.get(ip);
      if (isWanted(timer, service)) continue;
      const state = service === undefined ? 'nothing' : pathOf(service.value);
      report(ip, `on ${name} the timer '${timer.id}' runs on for ${state}`);
    }
  };
  const lookAll = (): void => {
    for (const name of world.nodes.keys()) look(name);
    world.queue.after(LOOK_EVERY_MS, lookAll);
  };
  world.queue.after(LOOK_EVERY_MS, lookAll);

  return { claim: 'no timer outlives its reason' };
};
