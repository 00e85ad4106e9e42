// A process that journals until it is killed: `node recorder-process.ts DIRECTORY`. Says `ready` once its
// first inputs stand in a segment: before that a kill leaves nothing to read, which proves nothing.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRecorder, storyTurn } from './recorder.ts';

const directory = process.argv[2];
if (directory === undefined) throw new Error('usage: recorder-process.ts DIRECTORY');
const recorder = createRecorder(directory, { maxBytes: 64 * 1024 });
let index = 0;
let isReady = false;
const isJournaled = (): boolean =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.ndjson'))
    .some((name) => readFileSync(join(directory, name), 'utf8').includes('"in":'));
const turn = (): void => {
  recorder.turn(...storyTurn(index));
  if (!isReady && isJournaled()) {
    isReady = true;
    process.stdout.write('ready\n');
  }
  index += 1;
  setImmediate(turn);
};
turn();
