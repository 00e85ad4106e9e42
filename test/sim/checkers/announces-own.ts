// Only who answers for an IP announces it (design.md, The wire thread: an ex-leader's queued rounds never leave). Judged
// for ARP, which the wire step sends itself; advertisements are the main thread's, which may hear of the loss a moment
// later. A draining node that asks its clients to follow names the new owner's MAC, not its own.
import type { CreateChecker } from './checker.ts';

export const announcesOwn: CreateChecker = ({ world, answerers, report }) => ({
  claim: 'only who answers for an IP announces it',
  onSent: (node, frame) => {
    if (frame.kind !== 'arp' || frame.spa !== frame.tpa || frame.sha !== world.node(node).mac) return;
    const { spa: ip } = frame;
    if (!answerers.of(ip).has(node)) report(ip, `${node} announces it and does not answer for it`);
  },
});
