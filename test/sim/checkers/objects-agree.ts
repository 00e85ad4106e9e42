// Once API and wire are healed, each ServiceIP object says who answers for the IP, at which epoch, within 5 s
// (design.md, Kubernetes: the object mirrors the best claim).
import type { CreateChecker } from './checker.ts';

const AGREE_MS = 5_000;
/** An owner, or a claim, that is newer than this may still be writing: a conflict, a list, and the next attempt. */
const WRITTEN_MS = 1_000;
const LOOK_EVERY_MS = 250;

export const objectsAgree: CreateChecker = ({ world, answerers, report }) => {
  /** `node ip` → when its claim was made or turned strong last. */
  const claimedAt = new Map<string, number>();
  const { api, queue } = world;
  const look = (): void => {
    if (api === null) return;
    for (const ip of world.profile.ips) {
      const [owner, ...others] = answerers.awake(ip);
      if (owner === undefined || others.length > 0 || world.contested.has(ip)) continue;
      const since = Math.max(answerers.of(ip).get(owner) ?? 0, claimedAt.get(`${owner} ${ip}`) ?? 0);
      if (queue.now() - since < WRITTEN_MS) continue;
      const { held } = api.object(ip);
      const view = world.node(owner).core()?.service(ip) ?? null;
      const isSaid = held?.holder === owner && held.state === 'leader';
      if (isSaid && held.epoch === view?.epoch && held.weak === view.weak) continue;
      const said = `${held?.holder ?? 'nobody'} ${held?.state} epoch ${held?.epoch} weak ${held?.weak}`;
      report(ip, `${owner} owns it (epoch ${view?.epoch} weak ${view?.weak}), its object says ${said}`);
    }
    queue.after(LOOK_EVERY_MS, look);
  };
  return {
    claim: 'objects agree with the wire 5 s after API and wire are healed',
    onEffects: (node, effects) => {
      for (const effect of effects)
        if (effect.type === 'answer.start') claimedAt.set(`${node} ${effect.ip}`, queue.now());
    },
    onHealed: () => queue.after(AGREE_MS, look),
  };
};
