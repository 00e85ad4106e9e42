// docs/machines.md shows the machine as `holdfast diagram` draws it: a picture that differs from the code is worse
// than none. `HOLDFAST_REWRITE=1 npm run test:unit -- machines-doc` draws it again.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { toSvg } from '../../../src/cli/diagram/diagram-svg.ts';
import { diagramOf, toMermaid } from '../../../src/machines/diagram.ts';
import { serviceIpMachine } from '../../../src/machines/service-ip.ts';

const PAGE = join(import.meta.dirname, '../../../docs/machines.md');
const PICTURE = join(import.meta.dirname, '../../../docs/states.svg');
/** From here on the page is generated, to the fence that closes it. */
const OPENING = '```mermaid\n';
const CLOSING = '```\n';

test('docs/machines.md shows the service IP machine that the code runs', () => {
  const page = readFileSync(PAGE, 'utf8');
  const from = page.indexOf(OPENING) + OPENING.length;
  const to = page.indexOf(CLOSING, from);
  assert.ok(from >= OPENING.length && to > from, 'docs/machines.md has no mermaid block');
  const drawn = toMermaid(diagramOf(serviceIpMachine));
  const wanted = page.slice(0, from) + drawn + page.slice(to);
  if (process.env.HOLDFAST_REWRITE === '1') writeFileSync(PAGE, wanted);
  else assert.equal(page, wanted, 'draw it again: HOLDFAST_REWRITE=1 npm run test:unit -- machines-doc');
});

test('docs/machines.md says something of every state and every event', () => {
  const page = readFileSync(PAGE, 'utf8');
  const words =
    page.slice(0, page.indexOf(OPENING)) +
    page.slice(page.indexOf(CLOSING, page.indexOf(OPENING) + OPENING.length));
  const { states, edges } = diagramOf(serviceIpMachine);
  const names = [
    ...states.map(({ path }) => path.split('.').at(-1) ?? path),
    ...edges.map(({ event }) => event),
  ];
  const missing = [...new Set(names)].filter((name) => name !== 'always' && !words.includes(`\`${name}\``));
  assert.deepEqual(missing, []);
});

test('docs/states.svg is what `holdfast diagram --format svg` draws', async () => {
  const drawn = (await toSvg(diagramOf(serviceIpMachine))).trimEnd();
  if (process.env.HOLDFAST_REWRITE === '1') writeFileSync(PICTURE, `${drawn}\n`);
  else assert.equal(readFileSync(PICTURE, 'utf8').trimEnd(), drawn);
});
