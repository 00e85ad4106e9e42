// A node whose main thread hangs says nothing from the watchdog's moment on (design.md, The wire thread): not one
// frame leaves later than that after the main thread's last sign of life, also none that queued in a pause.
import type { CreateChecker } from './checker.ts';

export const watchdog: CreateChecker = ({ world, report }) => ({
  claim: 'nothing leaves a node whose main thread gave no sign of life for the watchdog time',
  onSent: (node, frame) => {
    const silentMs = world.node(node).sinceLifeMs();
    if (silentMs < world.profile.watchdogMs) return;
    // raw-socket sends from the main thread itself, which is alive then.
    if (frame.kind === 'na' && !frame.solicited) return;
    report(null, `${node} sent ${frame.kind}, ${silentMs.toFixed(1)} ms after its main thread's last sign`);
  },
});
