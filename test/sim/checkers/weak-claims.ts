// A claim that is taken while hearing no peer, or fewer than half of those known, is weak (design.md, Weak): judged
// by the hellos that really arrived, at the logical time of the taking. Known: heard since this birth by a hello
// that lists it, and not gone with a goodbye. A claim that the holder hands over has the holder's strength.
import type { Ip } from '../../../src/machines/frames.ts';
import type { WireFrame } from '../sim-frames.ts';
import type { CreateChecker } from './checker.ts';

/** The wire thread and the main thread may be late with the news that a peer fell silent. */
const LATENESS_MS = 40;
/** A command is on its way to the wire thread for a moment. */
const OBEYED_MS = 5;
/** Enough to hold one of each peer's. */
const MAX_QUEUED = 64;

interface Ear {
  at: number;
  isKnown: boolean;
  isLeaving: boolean;
}

export const weakClaims: CreateChecker = ({ world, holdMs, report }) => {
  const instances = new Map<string, string>();
  /** `hearer` → peer → when it was heard last, and whether it is known. */
  const ears = new Map<string, Map<string, Ear>>();
  /** `node ip` → what was wrong with a strong claim, until the claim is made. */
  const mustBeWeak = new Map<string, string>();

  const hear = (node: string, frame: WireFrame): void => {
    if (frame.kind !== 'hello' || frame.node === node) return;
    const table = ears.get(node) ?? new Map<string, Ear>();
    ears.set(node, table);
    const ear = table.get(frame.node) ?? { at: 0, isKnown: false, isLeaving: false };
    table.set(frame.node, ear);
    ear.at = world.queue.now();
    // Played again, it may count as a sign of life for a moment, but what it says was true once (seed 201320).
    if (frame.ethernetSource !== world.node(frame.node).mac) return;
    ear.isLeaving = frame.flags.leaving;
    ear.isKnown ||=
      frame.hears.includes(instances.get(node) ?? '') && frame.instance === instances.get(frame.node);
  };

  /** Nodes whose main thread is held up, and until when others' were: they catch up with what was due meanwhile. */
  const held = new Set<string>();
  const heldUntil = new Map<string, number>();
  const noteHeld = (): void => {
    for (const node of world.nodes.values()) {
      if (node.isPaused() || node.isStalled()) held.add(node.name);
      else if (held.delete(node.name)) heldUntil.set(node.name, world.queue.now());
    }
  };

  /** What waited in the socket while the node was paused is heard when it resumes. */
  const queued = new Map<string, WireFrame[]>();
  const readQueued = (): void => {
    for (const [node, frames] of queued) {
      if (world.node(node).isPaused()) continue;
      queued.delete(node);
      for (const frame of frames) hear(node, frame);
    }
  };

  const judgeTaking = (node: string, ip: Ip, at: number): void => {
    readQueued();
    const peers = [...(ears.get(node)?.values() ?? [])];
    const heard = peers.filter((peer) => peer.at > at - holdMs - LATENESS_MS).length;
    // Its timers run late after a pause or while its main thread is busy: what it took it took at an earlier time, by what it knew then.
    noteHeld();
    const { up, isDeaf, isMute } = world.port(node);
    const now = world.queue.now();
    const fitSince = world.health.fitSince(node);
    const wasBusy = fitSince === null ? up && !isDeaf && !isMute : now - fitSince < LATENESS_MS;
    const wasHeld = held.has(node) || now - (heldUntil.get(node) ?? Number.NEGATIVE_INFINITY) < LATENESS_MS;
    if (wasBusy || wasHeld) return void mustBeWeak.delete(`${node} ${ip}`);
    const known = peers.filter(({ isKnown, isLeaving }) => isKnown && !isLeaving).length;
    if (heard > 0 && heard * 2 >= known) return void mustBeWeak.delete(`${node} ${ip}`);
    mustBeWeak.set(`${node} ${ip}`, `it heard ${heard} of ${known} known peers`);
  };

  return {
    claim: 'a claim taken while hearing no peer, or fewer than half of those known, is weak',
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
    onDisturbed: () => {
      noteHeld();
      readQueued();
    },
    onEffects: (node, effects, agoMs) => {
      const at = world.queue.now() - agoMs;
      for (const effect of effects) {
        // Without service IPs it listens to nobody, and knows nobody when they return.
        if (effect.type === 'listen' && effect.interfaces.length === 0) ears.delete(node);
        if (effect.type === 'record') {
          const isTaking =
            effect.to === 'candidate' || (effect.from === 'draining' && effect.to === 'leader');
          if (!isTaking) continue;
          if (effect.cause === 'planned') mustBeWeak.delete(`${node} ${effect.ip}`);
          else judgeTaking(node, effect.ip, at);
        }
      }
      for (const effect of effects) {
        if (effect.type !== 'answer.start') continue;
        const why = mustBeWeak.get(`${node} ${effect.ip}`);
        mustBeWeak.delete(`${node} ${effect.ip}`);
        if (why === undefined || effect.weak) continue;
        // A wire step that its watchdog has shut obeys nothing: only what is answered for is claimed.
        world.queue.after(OBEYED_MS, () => {
          if (!world.node(node).isAnswering(effect.ip)) return;
          report(effect.ip, `${node} claims it strongly, though ${why} when it took it`);
        });
      }
    },
  };
};
