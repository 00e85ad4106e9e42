// Makes the documentation's site: README.md, docs/*.md and what they link to, as plain files that open from disk, with
// a search and nothing from elsewhere. `npm run docs` writes dist/docs; an argument names another folder. The pages read
// the same on GitHub, so what the site adds is the search, the drawing of the machine, and reading without a network.
import { cpSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { toSvg } from '../src/cli/diagram/diagram-svg.ts';
import { diagramOf, toMermaid } from '../src/machines/diagram.ts';
import { serviceIpMachine } from '../src/machines/service-ip.ts';
import { escaped, toHtml } from './docs-markdown.ts';
import { ROOT, readPages, resolveLink, type SourcePage } from './docs-pages.ts';

const target = process.argv[2] ?? join(ROOT, 'dist/docs');
const pages = readPages();
const byPath = new Map(pages.map((page) => [page.path, page]));
const machine = diagramOf(serviceIpMachine);
const machineText = toMermaid(machine).trim();
const machineSvg = await toSvg(machine, { isForPage: false });

/** Copies a linked file that is no page (a picture, the licence) beside the pages; its path in the site. */
const copied = (path: string): string => {
  const from = join(ROOT, path);
  if (!existsSync(from) || !statSync(from).isFile()) return path;
  // A browser shows a file without a known ending as a download; these are texts.
  const to = join('files', /\.(webp|png|svg|json)$/.test(path) ? path : `${path}.txt`);
  mkdirSync(dirname(join(target, to)), { recursive: true });
  cpSync(from, join(target, to));
  return to;
};

const inSite = (from: string, href: string): string => {
  const to = resolveLink(from, href);
  if ('outside' in to) return to.outside;
  const file = byPath.get(to.path)?.file ?? copied(to.path);
  return to.anchor === '' ? file : `${file}#${to.anchor}`;
};

const contents = (page: SourcePage): string =>
  pages
    .map((each) => {
      if (each !== page) return `<li><a href="${each.file}">${escaped(each.title)}</a></li>`;
      const inner = each.sections
        .filter(({ depth }) => depth === 2)
        .map(({ anchor, text }) => `<li><a href="#${anchor}">${escaped(text)}</a></li>`);
      return `<li><a href="${each.file}" aria-current="page">${escaped(each.title)}</a><ul>${inner.join('')}</ul></li>`;
    })
    .join('\n');

const html = (page: SourcePage): string => `<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(page.title)}${page.path === 'README.md' ? '' : ' – Holdfast'}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs.css">
<script defer src="index.js"></script>
<script defer src="search.js"></script>
</head>
<body>
<header>
<a class="name" href="index.html">Holdfast</a>
<input id="search" type="search" placeholder="Search (/)" aria-label="Search the documentation" autocomplete="off">
</header>
<div id="found" role="region" aria-label="Search results" aria-live="polite" hidden></div>
<div class="columns">
<nav aria-label="Pages"><details open><summary>Pages</summary><ul>
${contents(page)}
</ul></details></nav>
<main>
${toHtml(page.markdown, {
  target: (href) => inSite(page.path, href),
  drawing: (text) => (text.trim() === machineText ? `<div class="drawing">${machineSvg}</div>` : null),
})}</main>
</div>
</body>
</html>
`;

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
for (const page of pages) writeFileSync(join(target, page.file), html(page));
const index = pages.flatMap(({ file, title, sections }) =>
  sections.map(({ text, anchor, body }) => ({
    page: title,
    at: `${file}#${anchor}`,
    title: text,
    body: body.replace(/\s+/g, ' ').trim(),
  })),
);
writeFileSync(join(target, 'index.js'), `globalThis.HOLDFAST_DOCS = ${JSON.stringify(index)};\n`);
await build({
  absWorkingDir: ROOT,
  entryPoints: { search: 'src/ui/docs-search.ts' },
  outdir: target,
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2023',
  logLevel: 'error',
});
cpSync(join(ROOT, 'src/ui/docs.css'), join(target, 'docs.css'));
console.log(`${pages.length} pages: ${join(target, 'index.html')}`);
