// Makes the page that the daemon serves, and the script of the lab's report: src/ui bundled with what it imports, the
// drawing of the machine put in.
// scripts/setup.sh runs it when a source is newer than the page, so a checkout always has its own. Each file is
// moved into place whole: a daemon may be reading the one before.
import { copyFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { toSvg } from '../src/cli/diagram/diagram-svg.ts';
import { diagramOf } from '../src/machines/diagram.ts';
import { serviceIpMachine } from '../src/machines/service-ip.ts';

const root = join(import.meta.dirname, '..');
const ui = join(root, 'src/ui');
const target = process.argv[2] ?? join(root, 'dist/page');

interface Bundle {
  readonly script: string;
  /** The packages of node_modules that went into it, sorted: whoever passes the page on owes their licences. */
  readonly packages: readonly string[];
}

const PACKAGE = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//;

/** What the page imports may be one file; what it needs from elsewhere is an error here, not in the browser. */
const bundle = async (entry: string, format: 'esm' | 'iife', drawing: string): Promise<Bundle> => {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [join(ui, entry)],
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    format,
    target: 'es2023',
    define: { DIAGRAM_SVG: JSON.stringify(drawing) },
    logLevel: 'error',
  });
  const packages = Object.keys(metafile.inputs).flatMap((path) => PACKAGE.exec(path)?.[1] ?? []);
  return { script: outputFiles[0]?.text ?? '', packages: [...new Set(packages)].sort() };
};

const place = (name: string, write: (path: string) => void): void => {
  const path = join(target, `.${name}.${process.pid}`);
  write(path);
  renameSync(path, join(target, name));
};

mkdirSync(target, { recursive: true });
const drawing = await toSvg(diagramOf(serviceIpMachine), { isForPage: true });
const packages = new Set<string>();
for (const [name, entry, format] of [
  ['page.js', 'main.ts', 'esm'],
  ['report.js', 'report.ts', 'iife'],
] as const) {
  const made = await bundle(entry, format, drawing);
  for (const each of made.packages) packages.add(each);
  place(name, (path) => writeFileSync(path, made.script));
}
place('packages.txt', (path) => writeFileSync(path, `${[...packages].sort().join('\n')}\n`));
for (const name of ['page.css', 'index.html']) place(name, (path) => copyFileSync(join(ui, name), path));
