// Who hears others, and is heard by none of them, takes nothing: it cannot tell that the fault is theirs, and were it its
// own, taking would steal (design.md, One-way). Heard: listed in a hello that arrived. Not judged: what the holder hands
// over by name, and moments in which hellos that tell are on their way.
import type { CreateChecker } from './checker.ts';

/** Both threads' lateness, and one hello under way. */
const NEWS_MS = 120;

export const heardFirst: CreateChecker = ({ world, ears, holdMs, report }) => ({
  claim: 'who is heard by none of those it hears takes nothing',
  onEffects: (node, effects, agoMs) => {
    for (const effect of effects) {
      if (effect.type !== 'record' || effect.to !== 'candidate' || effect.cause === 'planned') continue;
      const at = world.queue.now() - agoMs;
      const peers = [...ears.of(node).values()];
      // Those whom it has proven and heard within the hold time, certainly.
      const heard = peers.filter(
        (peer) => peer.isProven && peer.ownAt > at - holdMs / 2 && at - peer.wasSilentAt > NEWS_MS,
      );
      if (heard.length === 0 || ears.isCatchingUp(node)) continue;
      if (peers.some((peer) => peer.lists || at - peer.listsChangedAt < NEWS_MS)) continue;
      report(effect.ip, `${node} takes it, and none of the ${heard.length} peers that it hears hears it`);
    }
  },
});
