// What the daemon keeps on disk and where it is spoken to: journal, control socket, keys. Nothing is made or
// changed by looking.
import { accessSync, constants, existsSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from '../../io/config/config.ts';
import { requestControl, UnreachableError } from '../../io/control/control-socket.ts';
import { tokenProblem } from '../../io/http/operator-token.ts';
import { readKeys } from '../../io/keys.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** Null when files can be made in it, or it can be made; else the system's code. */
const whyNotWritable = (directory: string): string | null => {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    return statSync(directory).isDirectory() ? null : 'ENOTDIR';
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    // In /proc a directory that is not there cannot be made either.
    if (code !== 'ENOENT' || dirname(directory) === directory || directory.startsWith('/proc')) return code;
    return whyNotWritable(dirname(directory));
  }
};

const nearest = (path: string): string => (existsSync(path) ? path : nearest(dirname(path)));

const MIB = 1024 * 1024;
const inMib = (bytes: number): string => `${Math.floor(bytes / MIB)} MiB`;

const sizeOf = (directory: string): number => {
  if (!existsSync(directory)) return 0;
  return readdirSync(directory)
    .filter((name) => name.includes('.ndjson'))
    .reduce((sum, name) => sum + (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0), 0);
};

/** Less than this and a segment cannot begin. */
const LEAST_FREE = MIB;

const checkJournal = ({ journal: { directory, maxSizeBytes } }: Config): Finding[] => {
  const code = whyNotWritable(directory);
  if (code !== null) {
    return [
      fail(
        'journal',
        `${directory} cannot be written (${code}): the daemon does not start`,
        'a directory that can',
      ),
    ];
  }
  const { bavail, bsize } = statfsSync(nearest(directory));
  const free = bavail * bsize;
  if (free < LEAST_FREE) {
    return [
      fail(
        'journal-space',
        `no space is left for ${directory}: nothing is recorded`,
        'space, or another directory',
      ),
    ];
  }
  const missing = maxSizeBytes - sizeOf(directory) - free;
  if (missing <= 0) return [ok('journal', `${directory} can be written, ${inMib(free)} free`)];
  const what = `${inMib(free)} are free for ${directory}, and journal.maxSize is ${inMib(maxSizeBytes)}`;
  return [warn('journal-space', what, `${inMib(missing + MIB)} more, or a smaller maxSize`)];
};

const identify = async (path: string): Promise<{ node: string; pid: number } | string> => {
  try {
    return JSON.parse((await requestControl(path, 'GET', '/identity')).body) as { node: string; pid: number };
  } catch (error) {
    return error instanceof UnreachableError ? error.code : 'not-holdfast';
  }
};

const checkControl = async ({ control, node }: Config): Promise<Finding> => {
  const who = await identify(control);
  if (typeof who !== 'string') {
    const name = `holdfast ${who.node} (process ${who.pid})`;
    return who.node === node
      ? ok('control', `${name} is running, and answers on ${control}`)
      : fail(
          'control',
          `${control} is taken by ${name}: a second daemon does not start`,
          'another control: socket',
        );
  }
  const directory = dirname(control);
  const code = whyNotWritable(directory);
  if (code !== null)
    return fail(
      'control',
      `${directory} cannot be written (${code}): no control socket`,
      'a directory that can',
    );
  if (who === 'ENOENT') return ok('control', `${control} is free`);
  if (who === 'ECONNREFUSED') return ok('control', `${control} is a leftover, which the next start replaces`);
  return fail('control', `${control} is taken by something else (${who})`, 'another control: socket');
};

const checkKeys = ({ heartbeat: { keyFile } }: Config): Finding[] => {
  if (keyFile === null) {
    const what = 'heartbeat.keyFile is not set: anyone on the segment can take a service IP';
    return [warn('key', what, 'the same key file on every node, mode 0600')];
  }
  const read = readKeys(keyFile);
  if (!read.ok) return [fail('key', read.problem, 'a readable file with one key a line')];
  if (read.warning !== null) return [warn('key', read.warning, `chmod 600 ${keyFile}`)];
  const { uid } = statSync(keyFile);
  if (uid !== 0 && uid !== process.geteuid?.()) {
    return [
      warn('key', `${keyFile} belongs to user ${uid}, who can change the keys`, `chown root ${keyFile}`),
    ];
  }
  const count = read.keys.length === 1 ? 'one key' : `${read.keys.length} keys`;
  return [ok('key', `${keyFile} holds ${count}, for its owner only`)];
};

/** Who may operate over http, where anybody may. */
const checkToken = async ({ http, page: { tokenFile } }: Config): Promise<Finding[]> => {
  if (tokenFile === null || http === null) return [];
  const problem = await tokenProblem(tokenFile);
  return problem === null
    ? [ok('token', `${tokenFile} holds the token for operating over http`)]
    : [fail('token', `${problem}: nobody operates over http`, 'a token only its owner and group may read')];
};

export const checkFiles = async (config: Config): Promise<Finding[]> => [
  ...checkJournal(config),
  await checkControl(config),
  ...checkKeys(config),
  ...(await checkToken(config)),
];
