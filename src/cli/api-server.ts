// What a command that asks the API server ends with when the answer is no, in exit codes of contract.md.
import type { Failure } from '../io/kubernetes/outcome.ts';
import { EXIT, type ExitCode } from './command.ts';

/** 3 for a right that is missing, 4 for a server that is away or too busy, 1 for everything that it refuses. */
export const exitCodeOf = ({ kind }: Failure): ExitCode => {
  if (kind === 'forbidden') return EXIT.permission;
  return kind === 'unreachable' || kind === 'throttled' ? EXIT.unreachable : EXIT.no;
};
