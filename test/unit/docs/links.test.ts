// Every link in the documentation leads somewhere: as files in the checkout, which is how GitHub shows them, and in the
// site that build-docs.ts makes of them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT, readPages, resolveLink } from '../../../scripts/docs-pages.ts';

const site = mkdtempSync(join(tmpdir(), 'holdfast-docs-'));
before(() => {
  const made = spawnSync(process.execPath, [join(ROOT, 'scripts/build-docs.ts'), site], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
});
after(() => rmSync(site, { recursive: true, force: true }));

test('every link, picture and anchor in README.md, docs/ and their neighbours is there', () => {
  const pages = readPages();
  const broken: string[] = [];
  let checked = 0;
  for (const { path, links } of pages) {
    for (const href of links) {
      const to = resolveLink(path, href);
      if ('outside' in to) continue;
      checked += 1;
      const page = pages.find((each) => each.path === to.path);
      if (!existsSync(join(ROOT, to.path))) broken.push(`${path}: ${href}: no such file`);
      else if (to.anchor !== '' && page?.sections.every(({ anchor }) => anchor !== to.anchor) !== false)
        broken.push(`${path}: ${href}: no such heading`);
    }
  }
  assert.deepEqual(broken, []);
  assert.ok(checked > 50, `only ${checked} links were found`);
});

test('in the site every link, picture, script and anchor is there, and nothing is loaded from elsewhere', () => {
  const files = globSync('*.html', { cwd: site });
  assert.equal(files.length, readPages().length);
  const texts = new Map(files.map((file) => [file, readFileSync(join(site, file), 'utf8')]));
  const broken: string[] = [];
  for (const [file, text] of texts) {
    for (const [, attribute, href] of text.matchAll(/\s(href|src|srcset)="([^"]*)"/g) as Iterable<
      [string, string, string]
    >) {
      if (href.startsWith('data:')) continue;
      if (/^[a-z]+:/.test(href)) {
        if (attribute !== 'href') broken.push(`${file}: loads ${href}`);
        continue;
      }
      const [path = '', anchor = ''] = href.split('#');
      const to = path === '' ? file : normalize(path);
      if (to.startsWith('..') || !existsSync(join(site, to))) broken.push(`${file}: ${href}: no such file`);
      else if (anchor !== '' && !texts.get(to)?.includes(` id="${anchor}"`))
        broken.push(`${file}: ${href}: no such anchor`);
    }
  }
  assert.deepEqual(broken, []);
});

test('every page is linked from another one', () => {
  const pages = readPages();
  const linked = new Set(
    pages.flatMap(({ path, links }) =>
      links.flatMap((href) => {
        const to = resolveLink(path, href);
        return 'path' in to && to.path !== path ? [to.path] : [];
      }),
    ),
  );
  assert.deepEqual(
    pages.map(({ path }) => path).filter((path) => !linked.has(path) && path !== 'README.md'),
    [],
  );
});
