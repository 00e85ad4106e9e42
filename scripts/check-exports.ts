// Finds what nobody uses: exports below src that no other file imports, and files below src that none reaches.
// Dead code misleads the next reader, and the compiler sees only what is unused inside one file. Tests count as
// users. Part of `npm run check`; exit 1 with one line per finding. (Not knip: its parser's lock file entries
// cannot be completed from every registry; docs/decisions.md.)
import { dirname, join } from 'node:path';
import { importsOf, lineAt, type Module, readModules } from './module-scan.ts';

// Reached from outside the code: the files in bin start two, build-page.ts and build-docs.ts bundle the others.
const ENTRIES = [
  'src/cli/main.ts',
  'src/cli/kubectl/main.ts',
  'src/ui/main.ts',
  'src/ui/report.ts',
  'src/ui/docs-search.ts',
];
const USERS = ['src', 'test', 'scripts', 'bench'];

interface Export {
  name: string;
  line: number;
  /** A type that its own file mentions again is part of what other exports say, imported or not. */
  isSaid: boolean;
}

const isSaid = (module: Module, name: string, isType: boolean): boolean =>
  isType &&
  (module.code.match(new RegExp(`(?<![\\w$])${name.replaceAll('$', '\\$')}(?![\\w$])`, 'g')) ?? []).length >
    1;

const DECLARED =
  /\bexport\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(const|let|var|function\*?|class|interface|type|enum)\s+([\w$]+)/g;
// `export type { … } from` is a re-export: the first file's surface, said again.
const LISTED = /\bexport\s+\{([^{}]*)\}/g;

function exportsOf(module: Module): Export[] {
  const found: Export[] = [];
  for (const match of module.code.matchAll(DECLARED)) {
    const [, kind, name] = match as unknown as [string, string, string];
    const isType = kind === 'interface' || kind === 'type' || kind === 'class';
    found.push({ name, line: lineAt(module, match.index), isSaid: isSaid(module, name, isType) });
  }
  for (const match of module.code.matchAll(LISTED)) {
    for (const part of (match[1] ?? '').split(',')) {
      const name = part
        .trim()
        .split(/\s+(?:as\s+)?/)
        .at(-1) as string;
      if (name !== '') found.push({ name, line: lineAt(module, match.index), isSaid: false });
    }
  }
  return found;
}

/** Path → names that other files take from it; '*' stands for all. A path in a literal (`new URL('./thread.ts',
 * import.meta.url)`, which is how a worker is started) reaches the file without taking a name. */
function usesOf(modules: readonly Module[]): Map<string, Set<string>> {
  const uses = new Map<string, Set<string>>();
  const add = (from: Module, specifier: string, names: readonly string[]): void => {
    const path = join(dirname(from.path), specifier);
    const used = uses.get(path) ?? new Set();
    for (const name of names) used.add(name);
    uses.set(path, used);
  };
  for (const module of modules) {
    for (const { specifier, names } of importsOf(module)) add(module, specifier, names);
    for (const match of module.source.matchAll(/['"`](\.{1,2}\/[^'"`\n]+\.ts)['"`]/g))
      add(module, match[1] ?? '', []);
  }
  return uses;
}

/** One line per unused export or unreached file below `root`/src. */
export function checkExports(root: string): string[] {
  const modules = USERS.flatMap((folder) => readModules(root, folder));
  const uses = usesOf(modules);
  return modules
    .filter(({ path }) => path.startsWith('src/') && !ENTRIES.includes(path) && !path.endsWith('.d.ts'))
    .flatMap((module) => {
      const used = uses.get(module.path);
      if (used === undefined) return [`${module.path}:1: no other file reaches it; remove it`];
      if (used.has('*')) return [];
      return exportsOf(module)
        .filter(({ name, isSaid }) => !used.has(name) && !isSaid)
        .map(
          ({ name, line }) => `${module.path}:${line}: nobody imports ${name}; drop the export, or the code`,
        );
    });
}

if (import.meta.main) {
  const findings = checkExports(join(import.meta.dirname, '..'));
  for (const finding of findings) console.error(finding);
  process.exitCode = findings.length === 0 ? 0 : 1;
}
