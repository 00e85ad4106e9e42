// A run written down: its shape and every act, with its time and arguments. JSON, since it holds what a fault drew and
// is played by the simulator with all its checkers; test/script is another language, for people, with recorded output.
import { readFileSync, writeFileSync } from 'node:fs';
import { type Act, DEEDS } from './acts.ts';
import type { RunShape } from './run-shape.ts';

export interface SimScript {
  readonly format: typeof FORMAT;
  /** What it shows, for people. */
  readonly shows: string;
  /** The checker that fails where the fault is in the code. */
  readonly finds: string | null;
  /** The planted bug with which it fails; null: none is needed, or it is a fault that was mended. */
  readonly planted: string | null;
  /** Draws what is not written down: latencies, links, whom clients talk to. */
  readonly seed: number;
  readonly shape: RunShape;
  readonly acts: readonly Act[];
}

export const FORMAT = 1;

const fail = (path: string, what: string): never => {
  throw new Error(`${path}: ${what}`);
};

/** Reads a script; throws with one line that says what is wrong. */
export const readScript = (path: string): SimScript => {
  let script: SimScript;
  try {
    script = JSON.parse(readFileSync(path, 'utf8')) as SimScript;
  } catch (error) {
    return fail(path, `not a script: ${(error as Error).message}`);
  }
  if (script.format !== FORMAT) fail(path, `format: ${script.format}; this program plays format ${FORMAT}`);
  if (!Array.isArray(script.acts) || typeof script.shape !== 'object') fail(path, 'shape or acts missing');
  for (const [index, { begin, end }] of script.acts.entries()) {
    for (const { do: name } of [...begin, ...end])
      if (!DEEDS.includes(name)) fail(path, `acts[${index}]: no deed ${name}; there are ${DEEDS.join(', ')}`);
  }
  return script;
};

/** One line an act: short enough to read, and to compare. */
export const formatScript = ({ acts, ...head }: SimScript): string => {
  const lines = acts.map((act) => `    ${JSON.stringify(act)}`).join(',\n');
  const rest = JSON.stringify(head, null, 2).slice(0, -2);
  return `${rest},\n  "acts": [${lines === '' ? '' : `\n${lines}\n  `}]\n}\n`;
};

export const writeScript = (path: string, script: SimScript): void =>
  writeFileSync(path, formatScript(script));
