// What Holdfast has changed on this host and must undo after a crash: one small JSON file, replaced atomically.
// It belongs in /run. No fsync: after a power cut the kernel has forgotten the changes too, so a file of another
// boot, or of another network namespace, is void.

import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';

const VERSION = 1;

/** An address or setting outlives neither the kernel nor the network namespace that it is in. */
const currentScope = (): string => {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return `${boot}/${statSync('/proc/self/ns/net').ino}`;
};

type Sections = Record<string, unknown>;

const readSections = (path: string, scope: string): Sections => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return {};
  }
  try {
    const state = JSON.parse(text) as { version?: unknown; scope?: unknown; sections?: unknown } | null;
    if (state?.version !== VERSION || state.scope !== scope) return {};
    return typeof state.sections === 'object' && state.sections !== null ? (state.sections as Sections) : {};
  } catch {
    return {};
  }
};

interface StateSection {
  /** What was written last on this boot in this network namespace; null if nothing, or if it cannot be read. */
  readonly load: () => unknown;
  /** Replaces the section; null removes it, and the file with the last one. Returns the code of what went wrong (`EROFS`), or null. */
  readonly save: (data: unknown) => string | null;
}

/** One named part of the file at `path`; parts may share a file, as long as one process writes it. */
export const openStateSection = (path: string, name: string): StateSection => {
  const scope = currentScope();
  return {
    load: () => readSections(path, scope)[name] ?? null,
    save: (data) => {
      const sections = readSections(path, scope);
      if (data === null) delete sections[name];
      else sections[name] = data;
      try {
        if (Object.keys(sections).length === 0) {
          rmSync(path, { force: true });
          return null;
        }
        writeFileSync(`${path}.new`, JSON.stringify({ version: VERSION, scope, sections }), { mode: 0o600 });
        renameSync(`${path}.new`, path);
        return null;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code ?? String(error);
      }
    },
  };
};
