// What the simulated world tells whoever watches it: the checkers, and the counters of a script.
import type { ServiceIpFact } from '../../src/machines/cluster/cluster-facts.ts';
import type { Effect } from '../../src/machines/effects.ts';
import type { Ip } from '../../src/machines/frames.ts';
import type { Input } from '../../src/machines/inputs.ts';
import type { SimFrame, WireFrame } from './sim-frames.ts';

export interface WorldObserver {
  onAnswer?(node: string, ip: Ip, isAnswering: boolean): void;
  onSent?(node: string, frame: WireFrame): void;
  onHeard?(node: string, frame: WireFrame): void;
  /** A frame came for a node that is paused: it reads it when it resumes, if its buffer had room. */
  onQueued?(node: string, frame: WireFrame): void;
  /** A birth of the node: a process began, or its wire thread starts anew. */
  onBirth?(node: string, instance: string): void;
  onLost?(from: string, to: string, frame: SimFrame): void;
  /** `agoMs`: how long ago, by the node's clock, the step was that asked for them. */
  onEffects?(node: string, effects: readonly Effect[], agoMs: number): void;
  onUse?(client: string, ip: Ip): void;
  onReached?(client: string, ip: Ip, node: string, sentAt: number): void;
  /** The API server has an object in a new version. */
  onObject?(fact: ServiceIpFact): void;
  /** Something was done to the world, or wore off. */
  onDisturbed?(): void;
  /** The operator said something to `node`. */
  onTold?(node: string, input: Input): void;
  /** The operator asked `node` to hand over `ip` (null: all), prepared. */
  onPlanned?(node: string, ip: Ip | null): void;
}
