// Enforces the "may import" column of the design's folder table, and that src/machines stays pure: a step that
// reads a clock, a random number or a socket cannot be replayed. Part of `npm run check`; exit 1 with one line
// per violation: file:line, what, and what would be right.
import { dirname, join } from 'node:path';
import { type Import, importsOf, lineAt, type Module, readModules } from './module-scan.ts';

/** One broken rule. `line` counts from 1; `right` says what to do instead. */
export interface Violation {
  path: string;
  line: number;
  what: string;
  right: string;
}

interface Rule {
  folders: readonly string[];
  packages: (name: string) => boolean;
  says: string;
}

const RULES: Readonly<Record<string, Rule>> = {
  machines: {
    folders: ['machines'],
    packages: (name) => name === 'xstate',
    says: 'machines may import xstate',
  },
  streams: {
    folders: ['streams', 'machines'],
    packages: (name) => name === 'rxjs' || name.startsWith('rxjs/'),
    says: 'streams may import machines and rxjs',
  },
  io: {
    folders: ['io', 'machines'],
    // Client libraries change; what matters is that the two libraries with a folder of their own stay there.
    packages: (name) => !/^(xstate|rxjs)(\/|$)/.test(name),
    says: 'io may import machines, node:* and client libraries, not xstate or rxjs',
  },
  ui: {
    folders: ['ui', 'machines'],
    packages: (name) => /^(preact|@preact\/signals)(\/|$)/.test(name),
    says: 'ui may import machines, preact and its signals',
  },
};
// src/cli puts everything together and may import all …
const FREE = ['cli'];
// … but what is big or has habits of its own stays where it is tamed: the path that may import it.
const CONFINED: Readonly<Record<string, string>> = {
  '@kubernetes/client-node': 'src/io/kubernetes/',
  'elkjs/lib/elk.bundled.js': 'src/cli/diagram/',
};

interface Impurity {
  pattern: RegExp;
  what: (text: string) => string;
  right: string;
}

const uses = (text: string): string => `uses ${text}`;
const TIME = 'take time from the input, and ask for timers as data';
const EFFECT = 'return an effect, and let src/io perform it';
const STATE = 'keep state in the machine context or in a value that the caller owns';
// Not after a dot (a property), nor as a key (`process: 1`), which `isKey` looks at.
const IMPURE: readonly Impurity[] = [
  { pattern: /(?<![.\w$])(?:Date|performance|Temporal)\b/g, what: uses, right: TIME },
  {
    pattern:
      /(?<![.\w$])(?:setTimeout|setInterval|setImmediate|clearTimeout|clearInterval|queueMicrotask)\b/g,
    what: uses,
    right: TIME,
  },
  {
    pattern: /(?<![.\w$])(?:Math\s*\.\s*random|Math(?!\s*\.\s*\w)|crypto)\b/g,
    what: uses,
    right: 'take the random value from an input',
  },
  { pattern: /(?<![.\w$])(?:Promise|async|await)\b/g, what: uses, right: `a step is synchronous: ${EFFECT}` },
  { pattern: /(?<![.\w$])(?:process|console|fetch|globalThis|eval)\b/g, what: uses, right: EFFECT },
  {
    pattern: /(?<![.\w$])import\s*(?:\(|\.\s*meta)/g,
    what: () => 'uses import() or import.meta',
    right: EFFECT,
  },
];
const MUTABLE =
  /\b(?:let|var)\s+[\w$[{]|\bconst\s+[\w$]+\s*(?::(?!\s*Readonly)[^=;]*)?=\s*new\s+(?:Weak)?(?:Map|Set)\b/g;

function isKey(code: string, start: number, end: number): boolean {
  return /[{,;(]\s*$/.test(code.slice(0, start)) && /^\s*\??:/.test(code.slice(end));
}

function impurities(module: Module): Violation[] {
  const { path, code } = module;
  const found: Violation[] = [];
  for (const { pattern, what, right } of IMPURE) {
    for (const match of code.matchAll(pattern)) {
      if (isKey(code, match.index, match.index + match[0].length)) continue;
      found.push({ path, line: lineAt(module, match.index), what: what(match[0]), right });
    }
  }
  for (const match of code.matchAll(MUTABLE)) {
    const before = code.slice(0, match.index);
    const open = (before.match(/[{([]/g) ?? []).length - (before.match(/[})\]]/g) ?? []).length;
    if (open > 0) continue;
    const right = match[0].startsWith('const')
      ? `${STATE}; if it never changes, say ReadonlyMap or ReadonlySet`
      : STATE;
    found.push({ path, line: lineAt(module, match.index), what: 'has mutable module state', right });
  }
  return found;
}

/** The folder below src that an import reaches, or undefined for a package. */
function folderOf(path: string, { specifier }: Import): string | undefined {
  if (!specifier.startsWith('.') && !specifier.startsWith('/')) return undefined;
  const [top, folder = ''] = join(dirname(path), specifier).split('/');
  return top === 'src' ? folder : `${top}/`;
}

function wrongImports(module: Module, rule: Rule): Violation[] {
  return importsOf(module).flatMap((wanted) => {
    const folder = folderOf(module.path, wanted);
    if (folder === undefined ? rule.packages(wanted.specifier) : rule.folders.includes(folder)) return [];
    return [{ path: module.path, line: wanted.line, what: `imports ${wanted.specifier}`, right: rule.says }];
  });
}

function escapes(module: Module): Violation[] {
  return importsOf(module).flatMap(({ specifier, line }) => {
    const home = CONFINED[specifier];
    if (home === undefined || module.path.startsWith(home)) return [];
    return [{ path: module.path, line, what: `imports ${specifier}`, right: `only ${home} may` }];
  });
}

/** All violations below `root`/src, in file and line order. */
export function checkImports(root: string): Violation[] {
  const modules = readModules(root, 'src');
  return [...modules.flatMap(escapes), ...modules.flatMap(wrong)];
}

function wrong(module: Module): Violation[] {
  const folder = module.path.split('/')[1] as string;
  if (FREE.includes(folder)) return [];
  const rule = RULES[folder];
  if (rule === undefined) {
    const right = `put it in one of src/${[...Object.keys(RULES), ...FREE].join(', src/')}`;
    return [{ path: module.path, line: 1, what: 'lies in no folder of the design', right }];
  }
  const found = [...wrongImports(module, rule), ...(folder === 'machines' ? impurities(module) : [])];
  return found.sort((a, b) => a.line - b.line);
}

if (import.meta.main) {
  const violations = checkImports(join(import.meta.dirname, '..'));
  for (const { path, line, what, right } of violations) console.error(`${path}:${line}: ${what}; ${right}`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}
