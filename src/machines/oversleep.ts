// A thread that did not run for its hold time: peers may have taken over, so it is born again (design.md, Born again);
// or all of them stood still together, as on one virtual machine, and nobody took anything. What queued meanwhile
// tells: a peer that was awake long enough to give this node up has said so many hellos. Part of the wire step; pure.

import type { Instance } from './hello.ts';
import { hearHelloOnly } from './hello-desk.ts';
import type { WireFrame, WireOutput } from './wire-facts.ts';
import type { WireState } from './wire-state.ts';

/** Who gives a node up was awake for its hold time, four intervals at least; one of them may have just begun. */
const AWAKE_HELLOS = 3;
/** Where more than this queued the segment was awake, and hellos may have found the queue full: no queue is as short. */
const STILL_FRAMES = 16;

export interface BeforeSleep {
  /** What was heard of each proven peer before the thread slept: `interface instance` to sequence. */
  readonly sequences: ReadonlyMap<string, number>;
  /** What is to be told if nobody was awake; of an ended birth nothing is. */
  readonly news: WireOutput[];
}

const sequencesOf = (state: WireState): BeforeSleep['sequences'] => {
  const before = new Map<string, number>();
  for (const { name, ears } of state.desks.values())
    for (const instance of ears.heard()) before.set(`${name} ${instance}`, ears.lastSequence(instance));
  return before;
};

/**
 * Nothing is answered and nothing said until what queued has been read (`look.back`, then `looked.back`). Nobody is
 * held to be late for the time that this node did not see.
 */
export const beginLookingBack = (state: WireState, byMs: number): readonly WireOutput[] => {
  const news: WireOutput[] = [];
  state.beforeSleep = { sequences: sequencesOf(state), news };
  for (const { ears, freshness } of state.desks.values()) {
    freshness.excuse(byMs);
    for (const input of ears.excuse(byMs)) news.push({ type: 'fact', input });
  }
  return [{ type: 'look.back' }];
};

/** Of what queued only hellos count: requests of that time are stale. */
export const lookBackAt = (state: WireState, at: number, name: string, frame: WireFrame): void => {
  const desk = state.desks.get(name);
  if (frame.kind !== 'hello' || desk === undefined) return;
  state.beforeSleep?.news.push(...(hearHelloOnly(state, desk, at, frame) ?? []));
};

const wasAwake = (before: ReadonlyMap<string, number>, key: string, sequence: number): boolean =>
  sequence - (before.get(key) ?? 0) >= AWAKE_HELLOS;

/** Was somebody else awake meanwhile? */
export const othersWereAwake = (
  state: WireState,
  before: BeforeSleep['sequences'],
  frames: number,
): boolean => {
  if (frames > STILL_FRAMES) return true;
  for (const { name, ears } of state.desks.values())
    for (const instance of ears.heard() as readonly Instance[])
      if (wasAwake(before, `${name} ${instance}`, ears.lastSequence(instance))) return true;
  return false;
};
