// What the daemons of a stage logged of their transitions: the other side of what clients noticed.
import { readFileSync } from 'node:fs';
import type { LabNode } from '../src/cli/lab/lab-node.ts';

export interface Transition {
  readonly node: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly ip: string;
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

type Line = Readonly<{ time?: string; ip?: string; from?: string; to?: string; msg?: string }>;

/** Every transition of these nodes since a time, oldest first. */
export const transitionsSince = (nodes: readonly LabNode[], since: number): readonly Transition[] =>
  nodes
    .flatMap(({ host, logFile }) =>
      readFileSync(logFile, 'utf8')
        .split('\n')
        .filter((text) => text.startsWith('{') && text.endsWith('}'))
        .map((text) => JSON.parse(text) as Line)
        .flatMap(({ time = '', ip, from, to, msg = '' }) =>
          ip === undefined || from === undefined || to === undefined
            ? []
            : [{ node: host.name, at: Date.parse(time), ip, from, to, text: msg }],
        ),
    )
    .filter(({ at }) => at >= since)
    .sort((a, b) => a.at - b.at);

/** The same in words, with milliseconds from `since`. */
export const told = (nodes: readonly LabNode[], since: number): readonly string[] =>
  transitionsSince(nodes, since).map(({ node, at, text }) => `  +${at - since} ms ${node}: ${text}`);
