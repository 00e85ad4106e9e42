// A holdfast daemon in a host of the lab: its config, its process, and what it says over its control socket.
import { type ChildProcess, execFile } from 'node:child_process';
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requestControl, UnreachableError } from '../../io/control/control-socket.ts';
import type { Status } from '../daemon/status.ts';
import type { Host, Segment } from './segment.ts';
import { toolEnvironment } from './tools.ts';

/** What a command of the lab's own program said, whatever its exit code. */
export interface CommandOutcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface LabNode {
  readonly host: Host;
  readonly directory: string;
  readonly journal: string;
  readonly configFile: string;
  readonly socket: string;
  readonly logFile: string;
  /** Starts the daemon; resolves when its control socket answers. Throws with its last log lines otherwise. */
  start(): Promise<void>;
  status(): Promise<Status>;
  /** Sends a signal to the daemon. */
  signal(name: NodeJS.Signals): void;
  /** Between `start` and the end of the process. */
  isRunning(): boolean;
  /** From its next start on it runs by `program` and no longer by `from`. */
  readonly upgrade: () => void;
  /** Runs `holdfast ARGS --socket ...` as an operator on this node would. */
  command(...args: readonly string[]): Promise<CommandOutcome>;
  /** Asks the daemon for a planned move without the cost of starting a program. */
  requestMove(ip: string, to: string): Promise<void>;
  /** Resolves with the exit code (null: ended by a signal). */
  readonly exited: () => Promise<number | null>;
  pid(): number;
}

export interface LabNodeOptions {
  /** Empty: the configuration does not speak of them. */
  readonly serviceIPs: readonly string[];
  /** More YAML for the config file, the same for every node or by its name. */
  readonly extra?: string | ((node: string) => string);
  /** The node's name, where it is not the host's. */
  readonly nodeName?: string;
  readonly args?: readonly string[];
  /** A wrapper command for the daemon, for instance `setpriv ...`. */
  readonly wrapper?: readonly string[];
  /** A `holdfast` command in the place of this checkout's, for instance a release's. Only the daemon is run by it. */
  readonly program?: string;
  /** Another one, older, which the daemon is run by until `upgrade`. */
  readonly from?: string;
}

/** The daemon is there and cannot say its status: its wire thread has not answered, which a loaded start explains. */
class NotYetError extends Error {}

const PROGRAM = fileURLToPath(new URL('../main.ts', import.meta.url));
const START_TIMEOUT_MS = 10_000;
/** A diverged replay prints both sides. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Runs the program's own CLI to its end; never rejects for an exit code. */
export const runCli = (args: readonly string[]): Promise<CommandOutcome> =>
  new Promise((resolve) => {
    const options = { env: toolEnvironment(), maxBuffer: MAX_OUTPUT_BYTES };
    const child = execFile(process.execPath, [PROGRAM, ...args], options, (_failure, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });

/** Asks `ask` every 5 ms until it gives something other than null; throws `what` after `timeoutMs`. */
export const waitFor = async <T>(
  what: string,
  timeoutMs: number,
  ask: () => Promise<T | null> | T | null,
): Promise<T> => {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (performance.now() > until) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await sleep(5);
  }
};

export const createLabNode = (segment: Segment, host: Host, options: LabNodeOptions): LabNode => {
  const directory = join(segment.directory, host.name);
  mkdirSync(directory, { recursive: true });
  const journal = join(directory, 'journal');
  const configFile = join(directory, 'config.yaml');
  const socket = join(directory, 'holdfast.sock');
  const logFile = join(directory, 'log.ndjson');
  writeFileSync(
    configFile,
    [
      `node: ${options.nodeName ?? host.name}`,
      ...(options.serviceIPs.length === 0 ? [] : ['serviceIPs:']),
      ...options.serviceIPs.map((ip) => `  - ip: "${ip}"`),
      `journal: {directory: ${journal}}`,
      `control: ${socket}`,
      typeof options.extra === 'function' ? options.extra(host.name) : (options.extra ?? ''),
      '',
    ].join('\n'),
  );
  let program = options.from ?? options.program;
  let child: ChildProcess | null = null;
  let ending: Promise<number | null> = Promise.resolve(null);

  const status = async (): Promise<Status> => {
    const { status: code, body } = await requestControl(socket, 'GET', '/status');
    if (code !== 200) throw new NotYetError(`${host.name}: ${body.trim()}`);
    return JSON.parse(body) as Status;
  };

  return {
    host,
    directory,
    journal,
    configFile,
    socket,
    logFile,
    start: async () => {
      const [command, ...rest] = [
        ...(options.wrapper ?? []),
        ...(program === undefined ? [process.execPath, PROGRAM] : [program]),
        'run',
        '--config',
        configFile,
        ...(options.args ?? []),
      ] as [string, ...string[]];
      const started = host.spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
      child = started;
      const log = createWriteStream(logFile, { flags: 'a' });
      let tail = '';
      for (const stream of [started.stdout, started.stderr]) {
        stream?.on('data', (chunk: Buffer) => {
          log.write(chunk);
          tail = (tail + chunk.toString()).slice(-2_000);
        });
      }
      ending = new Promise((resolve) => started.once('close', (code) => resolve(code)));
      await waitFor(`${host.name} to start`, START_TIMEOUT_MS, async () => {
        if (started.exitCode !== null)
          throw new Error(`${host.name} exited with ${started.exitCode}: ${tail}`);
        try {
          await status();
          return true;
        } catch (error) {
          if (error instanceof UnreachableError || error instanceof NotYetError) return null;
          throw error;
        }
      });
    },
    status,
    signal: (name) => {
      child?.kill(name);
    },
    isRunning: () => child !== null && child.exitCode === null && child.signalCode === null,
    upgrade: () => {
      program = options.program;
    },
    command: (...args) => runCli([...args, '--socket', socket]),
    requestMove: async (ip, to) => {
      await requestControl(socket, 'POST', '/drain', { ip, to });
    },
    exited: () => ending,
    pid: () => child?.pid ?? 0,
  };
};
