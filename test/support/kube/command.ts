// Commands as users run them, in a process of their own, while the API server of the test goes on serving in this one.
import { spawn } from 'node:child_process';
import { join } from 'node:path';

const CLI = join(import.meta.dirname, '../../../src/cli');
const MAINS = { holdfast: 'main.ts', 'kubectl-holdfast': 'kubectl/main.ts' } as const;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export const runCommand = (
  command: keyof typeof MAINS,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(CLI, MAINS[command]), ...args], {
      env: { ...process.env, NO_COLOR: '1', ...env },
    });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].on('data', (chunk) => {
        said[name] += chunk;
      });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...said }));
  });
