// No input makes a node send unbounded frames (design.md, What must never happen, 5). Answers are bounded by
// the requests that were heard; all else by the number of IPs, clients and hellos.
import type { CreateChecker } from './checker.ts';

/** Hellos leave at least 2 ms apart (design.md, Hellos). */
const MAX_HELLOS = 500;
/** Frames an IP may need in one second: announcements, their repetitions after news of peers, probes. */
const FRAMES_PER_IP = 16;
/** Directed requests to one client for one IP in one second (clients.ts asks at 5, 100 and 400 ms). */
const FRAMES_PER_CLIENT = 8;
const FLOOR = 50;
const WINDOW_MS = 1_000;

interface Window {
  from: number;
  hellos: number;
  heard: number;
  others: number;
}

export const noStorm: CreateChecker = ({ world, report }) => {
  const windows = new Map<string, Window>();
  const perIp = FRAMES_PER_IP + FRAMES_PER_CLIENT * world.clients.length;
  const most = FLOOR + perIp * world.profile.ips.length;

  const windowOf = (node: string): Window => {
    const now = world.queue.now();
    let window = windows.get(node);
    if (window === undefined || now - window.from >= WINDOW_MS) {
      window = { from: now, hellos: 0, heard: 0, others: 0 };
      windows.set(node, window);
    }
    return window;
  };

  return {
    claim: 'the frames that a node sends in a second are bounded',
    onHeard: (node, frame) => {
      if ((frame.kind as string) !== 'hello') windowOf(node).heard += 1;
    },
    onSent: (node, frame) => {
      const window = windowOf(node);
      if ((frame.kind as string) === 'hello') window.hellos += 1;
      else window.others += 1;
      if (window.hellos <= MAX_HELLOS && window.others <= most + window.heard) return;
      const { hellos, others, heard } = window;
      windows.delete(node);
      report(
        null,
        `${node} sent ${hellos} hellos and ${others} other frames within a second (heard ${heard})`,
      );
    },
  };
};
