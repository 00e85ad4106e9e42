// What every checker shares: one claim about the whole cluster, watched through the world's eyes.
import type { Ip } from '../../../src/machines/frames.ts';
import type { World } from '../world.ts';
import type { WorldObserver } from '../world-observer.ts';
import type { Answerers } from './answerers.ts';
import type { Ears } from './ears.ts';
import type { Silence } from './reach.ts';

export interface Checker extends WorldObserver {
  /** What must hold, as a sentence. */
  readonly claim: string;
  /** Everything is healed from now on. */
  onHealed?(): void;
  /** The run is over. */
  atEnd?(): void;
}

export interface CheckerContext {
  readonly world: World;
  readonly answerers: Answerers;
  readonly ears: Ears;
  readonly intervalMs: number;
  readonly holdMs: number;
  /** Reports a violation now. `ip`: null when it concerns no single one. */
  report(ip: Ip | null, what: string): void;
  /** A client could not reach an IP for so long: no violation, but told. */
  onSilence(silence: Silence): void;
}

export type CreateChecker = (context: CheckerContext) => Checker;

/** `max(configured, nodes × 1 ms)` and `max(deadAfter, 4 × interval)` (design.md, Hellos). */
export const protocolTimes = (world: World): { intervalMs: number; holdMs: number } => {
  const intervalMs = Math.max(world.profile.intervalMs, world.nodes.size);
  return { intervalMs, holdMs: Math.max(world.profile.deadAfterMs, 4 * intervalMs) };
};
