// What is wrong with a configuration, as one line each: `FILE:LINE: KEY: what is wrong; what would be right`.
import { oneLine } from './wrong.ts';
import type { Path } from './yaml-document.ts';

/** One mistake in a template is 10,000 problems; the first hundred say it. */
const MAX_PROBLEMS = 100;

/** `text` is the whole line for people; `line` is null if the file as a whole is meant. */
export interface ConfigProblem {
  readonly file: string;
  readonly line: number | null;
  readonly key: string;
  readonly text: string;
}

const keyOf = (path: Path): string =>
  path.reduce<string>((key, step) => {
    if (typeof step === 'number') return `${key}[${step}]`;
    const name = oneLine(step.slice(0, 64));
    return key === '' ? name : `${key}.${name}`;
  }, '') || 'configuration';

/** A problem before it is written out: `path` leads to the key that it is about. */
export interface Finding {
  readonly line: number;
  readonly path: Path;
  readonly text: string;
}

/** A finding as one line about `file`. */
export const problemOf = (file: string, { line, path, text }: Finding): ConfigProblem => {
  const key = keyOf(path);
  return { file, line, key, text: oneLine(`${file}:${line}: ${key}: ${text}`) };
};

/** The first hundred findings by line, and how many more there are. */
export const problemsOf = (file: string, findings: readonly Finding[]): ConfigProblem[] => {
  const sorted = findings.toSorted((a, b) => a.line - b.line);
  const problems = sorted.slice(0, MAX_PROBLEMS).map((finding) => problemOf(file, finding));
  const more = sorted.length - problems.length;
  if (more === 0) return problems;
  return [...problems, fileProblem(file, `has ${more} more problems; mend the ${MAX_PROBLEMS} above first`)];
};

/** The problem of a file as a whole, which has no line. */
export const fileProblem = (file: string, text: string): ConfigProblem => ({
  file,
  line: null,
  key: 'configuration',
  text: oneLine(`${file}: configuration: ${text}`),
});
