// External tools of the lab (iproute2, util-linux, nftables, tcpdump, tshark): how they are found and run. They
// live in /usr/sbin, which a plain user's PATH lacks, so every call gets a PATH that has it.
import { type ExecFileException, execFile } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Which Debian package brings a tool, where its name is not the tool's. */
const PACKAGES: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  bridge: 'iproute2',
  ss: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  nft: 'nftables',
  ping: 'iputils-ping',
  'stress-ng': 'stress-ng',
  faketime: 'faketime',
};

const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** PATH with the system folders at its end. */
const toolPath = (): string => [process.env.PATH ?? '/usr/bin:/bin', ...SYSTEM_FOLDERS].join(delimiter);

/** The environment every tool is started with; `extra` wins. */
export const toolEnvironment = (extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: toolPath(),
  ...extra,
});

const isThere = (tool: string): boolean =>
  toolPath()
    .split(delimiter)
    .some((folder) => {
      const file = join(folder, tool);
      if (!existsSync(file)) return false;
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });

/** The tools of `names` that this machine lacks, each as `tshark (apt-get install tshark)`; [] when all are there. */
export const missingTools = (names: readonly string[]): string[] =>
  names.filter((tool) => !isThere(tool)).map((tool) => `${tool} (apt-get install ${PACKAGES[tool] ?? tool})`);

export type RunOptions = Readonly<{
  /** Written to the tool's stdin, which is then closed. */
  input?: string;
  environment?: NodeJS.ProcessEnv;
  /** The tool is killed after this time; default 30 s, so that a hung tool never hangs the lab. */
  timeoutMs?: number;
}>;

/** A tool that failed: `code` its exit code (null: killed, or not started), `stderr` what it said. */
export class ToolError extends Error {
  readonly code: number | null;
  readonly stderr: string;

  constructor(command: string, code: number | null, stderr: string) {
    super(`${command}: ${stderr.trim() || `exit code ${code}`}`);
    this.name = 'ToolError';
    this.code = code;
    this.stderr = stderr;
  }
}

/** tshark's rows of a long capture are the largest output there is. */
const MAX_OUTPUT_BYTES = 512 * 1024 * 1024;

const describe = (failure: ExecFileException, timeoutMs: number, stderr: string): string => {
  if (failure.code === 'ENOENT') return 'not installed';
  if (failure.killed) return `${stderr}\nkilled after ${timeoutMs} ms`;
  if (typeof failure.code === 'number') return stderr;
  return `${stderr}\n${failure.signal ?? failure.message}`;
};

/** Runs a tool to its end and gives its stdout. Throws `ToolError` with its stderr when it fails. */
export const run = (file: string, args: readonly string[], options: RunOptions = {}): Promise<string> =>
  new Promise((resolve, reject) => {
    const timeout = options.timeoutMs ?? 30_000;
    const env = options.environment ?? toolEnvironment();
    const child = execFile(
      file,
      [...args],
      { env, timeout, maxBuffer: MAX_OUTPUT_BYTES, killSignal: 'SIGKILL' },
      (failure, stdout, stderr) => {
        if (failure === null) return resolve(stdout);
        const code = typeof failure.code === 'number' ? failure.code : null;
        reject(new ToolError([file, ...args].join(' '), code, describe(failure, timeout, stderr)));
      },
    );
    // A tool that dies before it read its input closes the pipe: its exit code tells that, not this error.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
