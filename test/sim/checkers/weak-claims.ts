// A claim that is taken while hearing no peer, or fewer than half of those known, is weak, and stays so for as long
// (design.md, Weak): judged by the hellos that really arrived, at the logical time of the taking. Known: heard since this
// birth by a hello that lists it, and not gone with a goodbye. A claim that the holder hands over has the holder's strength.
import type { Ip } from '../../../src/machines/frames.ts';
import type { CreateChecker } from './checker.ts';
import { LATENESS_MS } from './ears.ts';

/** Who of them went may be known here otherwise than there: a goodbye whose hello was lost, or refused as stale. */
const GOODBYE_UNHEARD = 1;
/** A command is on its way to the wire thread for a moment. */
const OBEYED_MS = 5;

export const weakClaims: CreateChecker = ({ world, answerers, ears, holdMs, report }) => {
  /** `node ip` → what was wrong with a strong claim, until the claim is made. */
  const mustBeWeak = new Map<string, string>();
  /** `node ip`: its claim is weak. */
  const weak = new Set<string>();

  /** Why a claim made by what was known at `at` must be weak, with `slack` known peers more or less; null: it need not be. */
  const minorityOf = (node: string, at: number, slack: number): string | null => {
    const peers = [...ears.of(node).values()];
    const heard = peers.filter((peer) => peer.at > at - holdMs - LATENESS_MS).length;
    if (ears.isCatchingUp(node)) return null;
    const known = peers.filter(({ isKnown, isLeaving }) => isKnown && !isLeaving).length;
    return heard > 0 && heard * 2 >= known - slack ? null : `it heard ${heard} of ${known} known peers`;
  };

  const judgeTaking = (node: string, ip: Ip, at: number): void => {
    const why = minorityOf(node, at, 0);
    if (why === null) mustBeWeak.delete(`${node} ${ip}`);
    else mustBeWeak.set(`${node} ${ip}`, why);
  };

  /** A wire step that its watchdog has shut obeys nothing: only what is answered for is claimed. */
  const reportIfClaimed = (node: string, ip: Ip, what: string): void =>
    world.queue.after(OBEYED_MS, () => {
      if (world.node(node).isAnswering(ip)) report(ip, `${node} ${what}`);
    });

  return {
    claim: 'a claim taken while hearing no peer, or fewer than half of those known, is weak',
    // Everybody is back and has been heard for long: nothing keeps a claim weak.
    atEnd: () => {
      for (const ip of world.profile.ips) {
        const [owner, ...others] = answerers.awake(ip);
        if (owner === undefined || others.length > 0 || world.contested.has(ip)) continue;
        const peers = [...world.nodes.keys()].filter(
          (name) => name !== owner && world.health.connectedSince(owner, name) !== null,
        );
        if (peers.length === 0) continue;
        if (weak.has(`${owner} ${ip}`))
          report(ip, `${owner} holds it by a weak claim still, and all are well`);
      }
    },
    onBirth: (node) => {
      for (const key of weak) if (key.startsWith(`${node} `)) weak.delete(key);
    },
    onEffects: (node, effects, agoMs) => {
      const at = world.queue.now() - agoMs;
      for (const effect of effects) {
        if (effect.type !== 'record') continue;
        const isTaking = effect.to === 'candidate' || (effect.from === 'draining' && effect.to === 'leader');
        if (effect.from === 'leader') weak.delete(`${node} ${effect.ip}`);
        if (!isTaking) continue;
        if (effect.cause === 'planned') mustBeWeak.delete(`${node} ${effect.ip}`);
        else judgeTaking(node, effect.ip, at);
      }
      for (const effect of effects) {
        if (effect.type !== 'answer.start') continue;
        const key = `${node} ${effect.ip}`;
        const why = mustBeWeak.get(key);
        mustBeWeak.delete(key);
        const minority = weak.has(key) && !effect.weak ? minorityOf(node, at, GOODBYE_UNHEARD) : null;
        if (effect.weak) weak.add(key);
        else weak.delete(key);
        if (why !== undefined && !effect.weak)
          reportIfClaimed(node, effect.ip, `claims it strongly, though ${why} when it took it`);
        if (minority !== null)
          reportIfClaimed(node, effect.ip, `made its weak claim a strong one, though ${minority}`);
      }
    },
  };
};
