// What another configuration means for a recorded input: the configuration itself, and the hold times that the
// peers announced, since `deadAfter` is what each node says of itself and all nodes of a cluster have one.
import type { CoreConfig } from './config.ts';
import type { CoreCheckpoint } from './core.ts';
import type { Input, PeerFact } from './inputs.ts';
import { effectiveHoldMs } from './segments.ts';

export interface WhatIf {
  /** The configuration instead of a recorded one. */
  readonly config: (recorded: CoreConfig) => CoreConfig;
}

/** Hold times follow the new `deadAfter` if it is another one. */
const peerUnder = (peer: PeerFact, recorded: CoreConfig | null, now: CoreConfig | null): PeerFact => {
  if (recorded === null || now === null) return peer;
  const { deadAfterMs } = now.heartbeat;
  if (deadAfterMs === recorded.heartbeat.deadAfterMs) return peer;
  return { ...peer, holdMs: effectiveHoldMs(deadAfterMs, peer.intervalMs) };
};

/** Rewrites recorded inputs one after the other; remembers which configuration holds. */
export const createTranslation = (
  { config }: WhatIf,
  recordedAtStart: CoreConfig | null,
): ((input: Input) => Input) => {
  let recorded = recordedAtStart;
  let now = recordedAtStart === null ? null : config(recordedAtStart);
  return (input) => {
    if (input.type === 'config.loaded') {
      recorded = input.config;
      now = config(recorded);
      return { ...input, config: now };
    }
    return input.type === 'peer.heard' ? { ...input, peer: peerUnder(input.peer, recorded, now) } : input;
  };
};

/** A checkpoint in the middle of a life: what it knows of peers, under the new configuration. */
export const checkpointUnder = (checkpoint: CoreCheckpoint, { config }: WhatIf): CoreCheckpoint => {
  const recorded = checkpoint.config;
  if (recorded === null) return checkpoint;
  const now = config(recorded);
  const segments = checkpoint.segments.map((segment) => ({
    ...segment,
    peers: {
      ...segment.peers,
      peers: segment.peers.peers.map((peer) => ({ ...peer, fact: peerUnder(peer.fact, recorded, now) })),
    },
  }));
  return { ...checkpoint, segments };
};
