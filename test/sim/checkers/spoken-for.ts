// In Kubernetes, until when Leases may rightly keep a node from taking what nobody answers for: a peer that it has not
// heard in this life, or whose Lease or objects moved on after it fell silent, counts as alive for 30 s (design.md,
// Kubernetes). Worked out from the ground truth, not from what the cores believe. Not a checker.
import type { World } from '../world.ts';
import type { WorldObserver } from '../world-observer.ts';

export interface SpokenFor extends WorldObserver {
  /** Simulated milliseconds; -Infinity: nobody is spoken for. */
  until(name: string): number;
  /** By when it has noticed that the API server answers it again; -Infinity: it was never away. */
  noticedAt(name: string): number;
}

/** unheard.ts. */
const LEASE_MS = 30_000;
/** An outage is known to be over after 2 s, and lists take a moment; a late watch event likewise. */
const NOTICED_MS = 2_500;
/** Start, proof and the first table: before that a peer counts as never heard. */
const HEARD_AFTER_MS = 1_000;
/** A sign of life under way when its maker fell silent is read after that; and silence is judged after the hold time. */
const UNDER_WAY_MS = 600;

export const createSpokenFor = (world: World): SpokenFor => {
  const connectedSince = new Map<string, number>();
  /** `a b` → when `a`, which heard it in this life, could hear `b` last. */
  const heardUntil = new Map<string, number>();
  const began = new Map<string, number>();
  const troubledUntil = new Map<string, number>();
  const { health, queue } = world;

  const look = (): void => {
    const now = queue.now();
    for (const a of world.nodes.keys()) {
      if (world.api?.isPrompt(a) === false) troubledUntil.set(a, now + NOTICED_MS);
      for (const b of world.nodes.keys()) {
        const key = `${a} ${b}`;
        const since = a === b ? null : health.connectedSince(a, b);
        const before = connectedSince.get(key);
        if (since !== null && before === undefined) connectedSince.set(key, now);
        if (since !== null || before === undefined) continue;
        connectedSince.delete(key);
        if (now - before >= HEARD_AFTER_MS) heardUntil.set(key, now);
      }
    }
  };

  return {
    onDisturbed: look,
    onBirth: (node) => {
      began.set(node, queue.now());
      for (const key of heardUntil.keys()) if (key.startsWith(`${node} `)) heardUntil.delete(key);
    },
    noticedAt: (name) => troubledUntil.get(name) ?? Number.NEGATIVE_INFINITY,
    until: (name) => {
      const { api } = world;
      if (api === null) return Number.NEGATIVE_INFINITY;
      const troubled = api.isPrompt(name)
        ? (troubledUntil.get(name) ?? Number.NEGATIVE_INFINITY)
        : queue.now();
      let until = Number.NEGATIVE_INFINITY;
      for (const other of world.nodes.keys()) {
        const since = connectedSince.get(`${name} ${other}`);
        if (other === name || (since !== undefined && queue.now() - since >= HEARD_AFTER_MS)) continue;
        const sign = api.signOf(other);
        const heard = heardUntil.get(`${name} ${other}`) ?? Number.NEGATIVE_INFINITY;
        // What a watch told late it told as news.
        if (Math.max(sign, troubled) < heard - UNDER_WAY_MS) continue;
        until = Math.max(until, Math.max(sign, began.get(name) ?? 0, troubled) + LEASE_MS + NOTICED_MS);
      }
      return until;
    },
  };
};
