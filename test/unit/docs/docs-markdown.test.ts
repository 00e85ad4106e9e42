// How a page of the documentation is read: anchors as GitHub makes them, code and links where they stand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPage, toHtml } from '../../../scripts/docs-markdown.ts';

test('a heading has the anchor that GitHub gives it', () => {
  const { sections } = readPage('# Where to add …\n\n## `doctor`\n\n## Drain\n\n## Drain\n\n## A, b & c_d\n');
  assert.deepEqual(
    sections.map(({ anchor }) => anchor),
    ['where-to-add-', 'doctor', 'drain', 'drain-1', 'a-b--c_d'],
  );
});

test('fenced and indented code, spans, links and pictures in HTML are found', () => {
  const page = readPage(
    'See `holdfast status` and [a](b.md#c).\n\n```sh\nls\n```\n\n    holdfast run\n\n<img src="d.webp" alt="">\n',
  );
  assert.deepEqual(page.spans, ['holdfast status']);
  assert.deepEqual(page.links, ['b.md#c', 'd.webp']);
  assert.deepEqual(page.code, [
    { lang: 'sh', text: 'ls' },
    { lang: null, text: 'holdfast run' },
  ]);
});

test('code, link targets and picture texts are escaped in HTML', () => {
  const html = toHtml('```\n<script>"&"\n```\n\n![x" onerror="y](z.png)\n', {
    target: (href) => href,
    drawing: () => null,
  });
  assert.match(html, /<code>&lt;script&gt;&quot;&amp;&quot;<\/code>/);
  assert.match(html, /alt="x&quot; onerror=&quot;y"/);
});
