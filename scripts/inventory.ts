// What of others' work is in a laid-out release: read off the tree itself, not off what somebody meant to put there.
// The bill of materials and the licence texts are both made from this list, so neither can forget what the other names.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface Component {
  /** npm: a folder of node_modules; page: bundled into dist/page; node: Node; debian: a shared library beside it. */
  readonly kind: 'npm' | 'page' | 'node' | 'debian';
  readonly name: string;
  readonly version: string;
  /** An SPDX expression. */
  readonly license: string;
  /** Package URL; names the component in the bill of materials. */
  readonly purl: string;
  /** SHA-512 of the archive that it came in, hexadecimal; null where no lock file names one. */
  readonly sha512: string | null;
  /** The names of the packages that it asks for; only some may be in the tree. */
  readonly dependencies: readonly string[];
  readonly licenseText: string | null;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

type Lock = { readonly packages: Readonly<Record<string, { readonly integrity?: string }>> };

const root = join(import.meta.dirname, '..');
const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
const locks = ['package-lock.json', 'toolchain/package-lock.json'].map(
  (path) => readJson(join(root, path)) as Lock,
);

/** Of a path below the tree, `node_modules/ws`. */
const sha512Of = (path: string): string | null => {
  const [integrity] = locks.flatMap(({ packages }) => packages[path]?.integrity ?? []);
  return integrity?.startsWith('sha512-') ? Buffer.from(integrity.slice(7), 'base64').toString('hex') : null;
};

const npmPurl = ({ name, version }: Manifest): string => `pkg:npm/${name.replace('@', '%40')}@${version}`;

const licenseTextIn = (folder: string): string | null => {
  const file = readdirSync(folder).find((name) => /^(licen[cs]e|copying|unlicense)/i.test(name));
  return file === undefined ? null : readFileSync(join(folder, file), 'utf8').trim();
};

const packageAt = (folder: string, path: string, kind: 'npm' | 'page'): Component => {
  const manifest = readJson(join(folder, 'package.json')) as Manifest;
  const { name, version, license } = manifest;
  if (typeof license !== 'string') throw new Error(`${path}: package.json names no licence`);
  return {
    kind,
    name,
    version,
    license,
    purl: npmPurl(manifest),
    sha512: sha512Of(path),
    dependencies: Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }),
    licenseText: licenseTextIn(folder),
  };
};

/** The packages below `at/node_modules`, theirs included, as paths from `tree`. */
const packagePaths = (tree: string, at: string): string[] => {
  const folder = join(at, 'node_modules');
  if (!existsSync(join(tree, folder))) return [];
  const names = readdirSync(join(tree, folder)).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(tree, folder, name)).map((inner) => `${name}/${inner}`) : [name],
  );
  return names.sort().flatMap((name) => [join(folder, name), ...packagePaths(tree, join(folder, name))]);
};

const nodeHere = (): Component => {
  const prefix = dirname(dirname(process.execPath));
  const path = `node_modules/node-linux-${process.arch}`;
  const isFromRegistry = prefix.endsWith(path);
  const version = process.versions.node;
  return {
    kind: 'node',
    name: 'node',
    version,
    license: 'MIT',
    purl: isFromRegistry ? `pkg:npm/node-linux-${process.arch}@${version}` : `pkg:generic/node@${version}`,
    sha512: isFromRegistry ? sha512Of(path) : null,
    dependencies: [],
    licenseText: licenseTextIn(prefix),
  };
};

/** GCC's run-time libraries: what links with them may be under any licence. */
const GCC_LICENSE = 'GPL-3.0-or-later WITH GCC-exception-3.1';

/** `line`: `debian NAME VERSION`, as scripts/lay-out.sh writes it. */
const debianPackage = (tree: string, line: string): Component => {
  const [, name = '', version = ''] = line.split(' ');
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  return {
    kind: 'debian',
    name,
    version,
    license: GCC_LICENSE,
    purl: `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`,
    sha512: null,
    dependencies: [],
    licenseText: readFileSync(join(tree, 'runtime', name, 'copyright'), 'utf8').trim(),
  };
};

/** Everything in `tree` that is not our own; `packages` are the lines that scripts/lay-out.sh wrote about it. */
export const inventoryOf = (tree: string, packages: readonly string[]): Component[] => {
  const installed = packagePaths(tree, '').map((path) => packageAt(join(tree, path), path, 'npm'));
  const known = new Set(installed.map(({ name }) => name));
  const bundled = readFileSync(join(tree, 'dist/page/packages.txt'), 'utf8').trim().split('\n');
  return [
    nodeHere(),
    ...packages.filter((line) => line.startsWith('debian ')).map((line) => debianPackage(tree, line)),
    ...installed,
    ...bundled
      .filter((name) => !known.has(name))
      .map((name) => packageAt(join(root, 'node_modules', name), `node_modules/${name}`, 'page')),
  ];
};
