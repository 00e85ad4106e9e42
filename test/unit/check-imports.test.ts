// The import rules must see every planted violation and stay silent about clean code: a rule that never fires
// and one that cries wolf are equally useless.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { checkExports } from '../../scripts/check-exports.ts';
import { checkImports } from '../../scripts/check-imports.ts';

/** Runs `look` on a tree that holds exactly these files. */
function inTree<T>(files: Record<string, string>, look: (root: string) => T): T {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-imports-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(root, dirname(path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return look(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

const violations = (path: string, text: string) =>
  inTree({ [path]: text }, checkImports).map(({ line, what }) => `${line}: ${what}`);

const IMPORTS: [path: string, text: string, expected: string[]][] = [
  ['src/machines/a.ts', "import { readFileSync } from 'node:fs';", ['1: imports node:fs']],
  [
    'src/machines/a.ts',
    "// one\nimport type { Frame } from '../io/frame.ts';",
    ['2: imports ../io/frame.ts'],
  ],
  ['src/machines/a.ts', "export { of } from 'rxjs';", ['1: imports rxjs']],
  ['src/machines/a.ts', "export * from '../streams/x.ts';", ['1: imports ../streams/x.ts']],
  ['src/machines/a.ts', "import '../cli/main.ts';", ['1: imports ../cli/main.ts']],
  ['src/machines/a.ts', "import {\n  a,\n  type B,\n} from\n  '../ui/x.ts';", ['1: imports ../ui/x.ts']],
  ['src/machines/deep/a.ts', "import { b } from '../../io/b.ts';", ['1: imports ../../io/b.ts']],
  [
    'src/machines/a.ts',
    "type F = import('../io/f.ts').F;",
    ['1: imports ../io/f.ts', '1: uses import() or import.meta'],
  ],
  ['src/machines/a.ts', "import { a } from '../../test/a.ts';", ['1: imports ../../test/a.ts']],
  ['src/streams/a.ts', "import { x } from '../io/x.ts';", ['1: imports ../io/x.ts']],
  ['src/streams/a.ts', "import { readFile } from 'node:fs/promises';", ['1: imports node:fs/promises']],
  ['src/io/a.ts', "import { of } from 'rxjs';", ['1: imports rxjs']],
  ['src/io/a.ts', "import { setup } from 'xstate';", ['1: imports xstate']],
  ['src/io/a.ts', "const x = await import('../streams/x.ts');", ['1: imports ../streams/x.ts']],
  ['src/io/a.ts', "const x = require('../cli/x.ts');", ['1: imports ../cli/x.ts']],
  [
    'src/io/a.ts',
    "import type { KubeConfig } from '@kubernetes/client-node';",
    ['1: imports @kubernetes/client-node'],
  ],
  [
    'src/cli/a.ts',
    "const x = await import('@kubernetes/client-node');",
    ['1: imports @kubernetes/client-node'],
  ],
  ['src/io/kubernetes/a.ts', "import type { KubeConfig } from '@kubernetes/client-node';", []],
  ['src/ui/a.ts', "import { x } from '../io/x.ts';", ['1: imports ../io/x.ts']],
  ['src/other/a.ts', '', ['1: lies in no folder of the design']],
];

const IMPURITIES: [text: string, expected: string[]][] = [
  ['export const now = () => Date.now();', ['1: uses Date']],
  ['export const now = () =>\n  new Date();', ['2: uses Date']],
  ['export const r = () => Math.random();', ['1: uses Math.random']],
  ['const { random } = Math;', ['1: uses Math']],
  ['export const f = () => setTimeout(g, 1);', ['1: uses setTimeout']],
  ['export const f = () => queueMicrotask(g);', ['1: uses queueMicrotask']],
  ['export const f = async () => 1;', ['1: uses async']],
  ['export const p: Promise<void> = q;', ['1: uses Promise']],
  ['export const e = () => process.env;', ['1: uses process']],
  ['export const f = () => { console.log(1); };', ['1: uses console']],
  ['export const f = () => performance.now();', ['1: uses performance']],
  ['export const f = () => crypto.randomUUID();', ['1: uses crypto']],
  ['export const f = () => globalThis.Date;', ['1: uses globalThis']],
  ['export const s = (a: string) => `now ${Date.now()} `;', ['1: uses Date']],
  ['export const x = c ? Date : 1;', ['1: uses Date']],
  ['let count = 0;', ['1: has mutable module state']],
  ['export var a = 1;', ['1: has mutable module state']],
  ['let [a] = b;', ['1: has mutable module state']],
  ['const cache = new Map();', ['1: has mutable module state']],
  ['const cache: Map<string, string> = new Map();', ['1: has mutable module state']],
];

const CLEAN = `
// Date, Math.random and process are forbidden here; import x from 'node:fs' too.
/* let it be: new Date()
   var old = setTimeout; */
import { setup, type ActorLogic } from 'xstate';
import type { Input } from './inputs.ts';
export { rank } from './deep/rank.ts';
const NAMES: ReadonlyMap<string, number> = new Map([['Date', 1]]);
export const text = 'it\\'s Date.now()' + "import a from 'node:fs'" + \`Math.random \${NAMES.size} process \${'}'} Date\`;
export const slash = /[/'"\`]Date\\/process/g;
export const half = NAMES.size / 2 / 1;
export interface Facts { process: string; Date?: number; console: boolean }
export function f(input: Input, process: number): number {
  let local = Math.max(input.Date, input.process.length, 3);
  for (let i = 0; i < 3; i++) local += i;
  return local + input.crypto;
}
export type Logic = ActorLogic<never, never>;
export const make = setup;
`;

for (const [path, text, expected] of IMPORTS) {
  test(`the import rules name a wrong import: ${path}: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(violations(path, text), expected);
  });
}

for (const [text, expected] of IMPURITIES) {
  test(`the import rules name an impure machine: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(violations('src/machines/a.ts', text), expected);
  });
}

test('clean machine code passes, whatever its comments, strings, keys and locals are called', () => {
  assert.deepEqual(violations('src/machines/a.ts', CLEAN), []);
});

test('what only machines may not do is allowed elsewhere, and cli may import everything', () => {
  assert.deepEqual(violations('src/io/a.ts', "import 'node:fs';\nimport 'koffi';\nlet a = Date.now();"), []);
  assert.deepEqual(violations('src/streams/a.ts', "import { map } from 'rxjs/operators';"), []);
  assert.deepEqual(violations('src/cli/a.ts', "import '../io/a.ts';\nimport 'rxjs';\nimport 'xstate';"), []);
});

test('a violation says what would be right', () => {
  const [found] = inTree({ 'src/machines/a.ts': "import 'node:fs';" }, checkImports);
  assert.deepEqual(found, {
    path: 'src/machines/a.ts',
    line: 1,
    what: 'imports node:fs',
    right: 'machines may import xstate',
  });
});

test('the repository itself keeps the import rules', () => {
  assert.deepEqual(checkImports(join(import.meta.dirname, '../..')), []);
});

test('dead exports and unreached files are named; what a test, a worker or a re-export uses is not', () => {
  const files = {
    'src/cli/main.ts':
      "import { a } from '../io/a.ts';\nnew Worker(new URL('../io/thread.ts', import.meta.url));",
    'src/io/a.ts':
      "export const a = 1;\nexport type Dead = 2;\nexport function tested() {}\nexport { c } from './c.ts';",
    'src/io/c.ts': 'const c = 1;\nexport { c };',
    'src/io/thread.ts': '',
    'src/io/lost.ts': 'export const x = 1;',
    'test/unit/a.test.ts': "import { tested, type c as d } from '../../src/io/a.ts';",
  };
  assert.deepEqual(inTree(files, checkExports), [
    'src/io/a.ts:2: nobody imports Dead; drop the export, or the code',
    'src/io/lost.ts:1: no other file reaches it; remove it',
  ]);
});
