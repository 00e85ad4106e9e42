// What each node could know of the others by the hellos that really arrived: when each was heard last, whether it lists
// the hearer, whether it is known, and whether the hearer was held up meanwhile. Several checkers share it. Not a checker.
import { INTERFACES } from '../profile.ts';
import type { WireFrame } from '../sim-frames.ts';
import type { World } from '../world.ts';
import type { WorldObserver } from '../world-observer.ts';

/** What one node heard of another. */
export interface Ear {
  /** When it was heard last, played again or not. */
  at: number;
  /** When a hello came that was its own. */
  ownAt: number;
  /** Heard since the hearer's birth by a hello that lists it. */
  isKnown: boolean;
  /** Likewise of the peer's present birth, for so long that the hearer cannot have refused all of them as stale. */
  isProven: boolean;
  instance: string;
  /** When it was heard again after a silence of the hold time last. */
  wasSilentAt: number;
  /** Its last hello said that it goes. */
  isLeaving: boolean;
  /** Does its last hello list the hearer, and since when is that so or not? */
  lists: boolean;
  listsChangedAt: number;
}

export interface Ears extends WorldObserver {
  /** By peer. */
  of(node: string): ReadonlyMap<string, Ear>;
  /**
   * Its main thread is held up, or was until a moment ago: what it does was due earlier, by what it knew then. Or what
   * it knows is otherwise than here for another reason that is over: it was not fit until then.
   */
  isCatchingUp(node: string): boolean;
}

/** The wire thread and the main thread may be late with the news that a peer fell silent. */
export const LATENESS_MS = 40;
/** Clocks that differ by 200 ppm, and the way through a queue. */
const SLACK_MS = 3;
/** Enough to hold one of each peer's. */
const MAX_QUEUED = 64;
const NOBODY: ReadonlyMap<string, Ear> = new Map();

export const createEars = (world: World, holdMs: number): Ears => {
  const interfaceName = INTERFACES[world.index] as string;
  const instances = new Map<string, string>();
  const ears = new Map<string, Map<string, Ear>>();
  /** Nodes whose main thread is held up, and until when others' were. */
  const held = new Set<string>();
  const heldUntil = new Map<string, number>();
  /** What waited in the socket while the node was paused is heard when it resumes. */
  const queued = new Map<string, WireFrame[]>();

  const hear = (node: string, frame: WireFrame): void => {
    if (frame.kind !== 'hello' || frame.node === node) return;
    const table = ears.get(node) ?? new Map<string, Ear>();
    ears.set(node, table);
    const now = world.queue.now();
    const ear = table.get(frame.node) ?? {
      ...{
        at: now,
        ownAt: Number.NEGATIVE_INFINITY,
        isKnown: false,
        isLeaving: false,
        lists: false,
        listsChangedAt: now,
      },
      ...{ isProven: false, instance: '', wasSilentAt: Number.NEGATIVE_INFINITY },
    };
    table.set(frame.node, ear);
    ear.at = now;
    // Played again, it may count as a sign of life for a moment, but what it says was true once (seed 201320).
    if (frame.ethernetSource !== world.node(frame.node).mac) return;
    if (now - ear.ownAt >= holdMs - SLACK_MS) ear.wasSilentAt = now;
    ear.ownAt = now;
    ear.isLeaving = frame.flags.leaving;
    const lists = frame.hears.includes(instances.get(node) ?? '');
    if (lists !== ear.lists) ear.listsChangedAt = now;
    ear.lists = lists;
    if (frame.instance !== ear.instance) {
      // Another birth: what the one before said is over, as if it had been silent.
      if (ear.instance !== '') ear.wasSilentAt = now;
      ear.instance = frame.instance;
      ear.isProven = false;
      ear.listsChangedAt = now;
    }
    // One that cannot be heard is listed for what somebody plays again: it refuses that as stale (seed 144).
    const isHeard = lists && !world.port(node).isMute;
    ear.isProven ||= isHeard && now - ear.listsChangedAt >= holdMs / 2;
    ear.isKnown ||= lists && frame.instance === instances.get(frame.node);
  };

  const look = (): void => {
    for (const node of world.nodes.values()) {
      if (node.isPaused() || node.isStalled()) held.add(node.name);
      else if (held.delete(node.name)) heldUntil.set(node.name, world.queue.now());
    }
    for (const [node, frames] of queued) {
      if (world.node(node).isPaused()) continue;
      queued.delete(node);
      for (const frame of frames) hear(node, frame);
    }
  };

  return {
    of: (node) => {
      look();
      return ears.get(node) ?? NOBODY;
    },
    isCatchingUp: (node) => {
      look();
      const { up, isDeaf, isMute } = world.port(node);
      const now = world.queue.now();
      const fitSince = world.health.fitSince(node);
      const wasBusy = fitSince === null ? up && !isDeaf && !isMute : now - fitSince < LATENESS_MS;
      const until = heldUntil.get(node) ?? Number.NEGATIVE_INFINITY;
      return wasBusy || held.has(node) || now - until < LATENESS_MS;
    },
    onBirth: (node) => {
      ears.delete(node);
    },
    onSent: (node, frame) => {
      if (frame.kind === 'hello') instances.set(node, frame.instance);
    },
    onHeard: hear,
    onQueued: (node, frame) => {
      queued.set(node, [...(queued.get(node) ?? []).slice(-MAX_QUEUED), frame]);
    },
    onDisturbed: look,
    onEffects: (node, effects) => {
      // Without service IPs there it listens to nobody, and knows nobody when they return.
      for (const effect of effects)
        if (effect.type === 'listen' && !effect.interfaces.includes(interfaceName)) ears.delete(node);
    },
  };
};
