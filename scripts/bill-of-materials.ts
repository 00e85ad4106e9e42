// Writes what a laid-out release says about itself: sbom.cdx.json (CycloneDX 1.6) and THIRD-PARTY-LICENSES.txt.
// `npm sbom` knows the lock file, neither Node nor a library beside it nor what was bundled into the page, and it names
// what is not shipped; so this lists what lies there. The same tree gives the same bytes.
//
//   scripts/node.sh scripts/bill-of-materials.ts TREE PACKAGES SECONDS     PACKAGES as scripts/lay-out.sh wrote it,
//                                                                           SECONDS since 1970: the commit's time
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Component, inventoryOf } from './inventory.ts';

/** What Node itself is linked with, as it says; the rest of its `process.versions` are not components. */
const NOT_COMPONENTS = ['node', 'modules', 'napi', 'unicode', 'cldr', 'tz'];

const WHAT: Readonly<Record<Component['kind'], string>> = {
  npm: 'node_modules',
  page: 'bundled into dist/page/page.js',
  node: 'runtime/node',
  debian: 'shared library in runtime',
};

const licenses = (expression: string): object[] =>
  /^[\w.+-]+$/.test(expression) ? [{ license: { id: expression } }] : [{ expression }];

const insideNode = (): object[] =>
  Object.entries(process.versions)
    .filter(([name]) => !NOT_COMPONENTS.includes(name))
    .map(([name, version]) => ({ type: 'library', name, version }));

const describe = (component: Component): object => {
  const { kind, name, version, license, purl, sha512 } = component;
  return {
    type: kind === 'node' ? 'platform' : 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    licenses: licenses(license),
    ...(sha512 === null ? {} : { hashes: [{ alg: 'SHA-512', content: sha512 }] }),
    properties: [{ name: 'holdfast:where', value: WHAT[kind] }],
    ...(kind === 'node' ? { components: insideNode() } : {}),
  };
};

const uuidOf = (text: string): string => {
  const hex = createHash('sha256').update(text).digest('hex');
  // RFC 9562 §5.8: version 8, of the maker's own making.
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

const billOf = (tree: string, components: readonly Component[], seconds: number): string => {
  const own = JSON.parse(readFileSync(join(tree, 'package.json'), 'utf8')) as Readonly<{
    name: string;
    version: string;
    license: string;
    dependencies: Readonly<Record<string, string>>;
  }>;
  const purl = `pkg:generic/${own.name}@${own.version}`;
  const refs = new Map(components.map(({ name, purl: ref }) => [name, ref]));
  const refsOf = (names: readonly string[]): string[] => names.flatMap((name) => refs.get(name) ?? []).sort();
  const body = {
    version: 1,
    metadata: {
      timestamp: new Date(seconds * 1000).toISOString(),
      component: {
        type: 'application',
        'bom-ref': purl,
        name: own.name,
        version: own.version,
        purl,
        licenses: licenses(own.license),
      },
    },
    components: components.map(describe),
    dependencies: [
      // Node, the libraries beside it and what the page bundles are asked for by no package.json in the tree.
      {
        ref: purl,
        dependsOn: [
          ...new Set([
            ...refsOf(Object.keys(own.dependencies)),
            ...components.filter(({ kind }) => kind !== 'npm').map(({ purl: ref }) => ref),
          ]),
        ].sort(),
      },
      ...components.map(({ purl: ref, dependencies }) => ({ ref, dependsOn: refsOf(dependencies) })),
    ],
  };
  const serialNumber = `urn:uuid:${uuidOf(JSON.stringify(body))}`;
  return `${JSON.stringify({ bomFormat: 'CycloneDX', specVersion: '1.6', serialNumber, ...body }, null, 2)}\n`;
};

const RULE = '='.repeat(80);

const licenseTexts = (components: readonly Component[]): string =>
  [
    'Holdfast itself is under the Apache License 2.0 (LICENSE). It comes with these, each under its own terms.',
    ...components.flatMap(({ name, version, license, kind, licenseText }) => [
      RULE,
      `${name} ${version} (${WHAT[kind]}): ${license}`,
      RULE,
      licenseText ?? `(Its package has no text of it; ${license} as on https://spdx.org/licenses/.)`,
    ]),
    '',
  ].join('\n\n');

const [tree = '', list = '', seconds = ''] = process.argv.slice(2);
const components = inventoryOf(tree, readFileSync(list, 'utf8').trim().split('\n'));
writeFileSync(join(tree, 'sbom.cdx.json'), billOf(tree, components, Number(seconds)));
writeFileSync(join(tree, 'THIRD-PARTY-LICENSES.txt'), licenseTexts(components));
console.log(`sbom: ${components.length} components and what Node is linked with`);
