// Which pages the documentation has, in reading order, and how a link of one of them resolves: to another page, or to a
// file of the checkout. The site and the tests of the docs share it.
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { type DocPage, readPage } from './docs-markdown.ts';

export const ROOT = join(import.meta.dirname, '..');

export interface SourcePage extends DocPage {
  /** Below the checkout: `docs/operating.md`. */
  readonly path: string;
  readonly markdown: string;
  /** Its file in the site: `operating.html`. */
  readonly file: string;
}

/** What a link names: a place outside, or a path of the checkout and an anchor (empty: none). */
export type Target = { readonly outside: string } | { readonly path: string; readonly anchor: string };

// What is not named here comes behind, by name: a new page is in the site without a word here.
const ORDER = [
  'README.md',
  'docs/start.md',
  'docs/how-it-works.md',
  'docs/install.md',
  'docs/kubernetes.md',
  'docs/operating.md',
  'docs/explain.md',
  'docs/faq.md',
  'docs/limits.md',
];
const BEHIND = ['docs/status.md', 'docs/decisions.md', 'CONTRIBUTING.md', 'CHANGELOG.md'];

const place = (path: string): number => {
  if (ORDER.includes(path)) return ORDER.indexOf(path) - ORDER.length;
  return BEHIND.includes(path) ? BEHIND.indexOf(path) + 1 : 0;
};

const siteFile = (path: string): string =>
  path === 'README.md' ? 'index.html' : `${basename(path, '.md').toLowerCase()}.html`;

/** Every page, read. */
export const readPages = (): readonly SourcePage[] =>
  ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...globSync('docs/*.md', { cwd: ROOT })]
    .sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1))
    .map((path) => {
      const markdown = readFileSync(join(ROOT, path), 'utf8');
      return { path, markdown, file: siteFile(path), ...readPage(markdown) };
    });

export const resolveLink = (from: string, href: string): Target => {
  if (/^[a-z][a-z+.-]*:/i.test(href)) return { outside: href };
  const [path = '', anchor = ''] = href.split('#');
  return { path: path === '' ? from : normalize(join(dirname(from), decodeURI(path))), anchor };
};
