// `holdfast diagram --format svg`: the drawing must lack nothing of the definition, and what it draws must be where
// it can be read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { edgeText, layOut, type Point } from '../../../src/cli/diagram/diagram-layout.ts';
import { toSvg } from '../../../src/cli/diagram/diagram-svg.ts';
import { diagramOf } from '../../../src/machines/diagram.ts';
import { serviceIpMachine } from '../../../src/machines/service-ip.ts';

const machine = diagramOf(serviceIpMachine);
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('>', '&gt;');

test('the SVG shows every state and every transition of the definition, with its words as text', async () => {
  const svg = await toSvg(machine);
  for (const { path, entry, exit } of machine.states) {
    assert.equal(svg.split(`data-state="${path}"`).length, 2, `${path} is drawn once`);
    for (const action of [...entry, ...exit])
      assert.ok(svg.includes(` / ${escaped(action)}</text>`), `${path}: ${action}`);
  }
  const texts = [...svg.matchAll(/<text [^>]*data-from="([^"]*)" data-to="([^"]*)"[^>]*>([^<]*)</g)];
  const drawn = texts.map(([, from, to, text]) => `${from} ${to} ${text}`).sort();
  const wanted = machine.edges.map((edge) => `${edge.from} ${edge.to} ${escaped(edgeText(edge))}`).sort();
  assert.deepEqual(drawn, wanted);
});

test('the SVG is the same for the same machine, has a title and a description, and needs nothing from elsewhere', async () => {
  const svg = await toSvg(machine);
  assert.equal(svg, await toSvg(machine));
  assert.match(svg, /<title id="diagram-title">[^<]+<\/title>\n<desc id="diagram-desc">[^<]+<\/desc>/);
  assert.match(svg, /aria-labelledby="diagram-title diagram-desc"/);
  assert.match(svg, /prefers-color-scheme: dark/);
  const elsewhere = svg.replace('http://www.w3.org/2000/svg', '').match(/https?:|@import|<script|<image/g);
  assert.equal(elsewhere, null);
});

test('inner states lie inside their parents, siblings apart, and every arrow touches both of its states', async () => {
  const { states, edges } = await layOut(machine);
  const boxOf = (path: string) => states.find(({ state }) => state.path === path)!.box;
  for (const { state, box } of states) {
    if (state.parent !== null) {
      const outer = boxOf(state.parent);
      assert.ok(box.x > outer.x && box.x + box.width < outer.x + outer.width, state.path);
      assert.ok(box.y > outer.y && box.y + box.height < outer.y + outer.height, state.path);
    }
    for (const { state: other, box: there } of states) {
      if (other.path === state.path || other.parent !== state.parent) continue;
      const apartX = box.x + box.width <= there.x || there.x + there.width <= box.x;
      const apartY = box.y + box.height <= there.y || there.y + there.height <= box.y;
      assert.ok(apartX || apartY, `${state.path} and ${other.path} overlap`);
    }
  }
  const touches = ({ x, y }: Point, path: string): boolean => {
    const box = boxOf(path);
    const [right, below] = [box.x + box.width, box.y + box.height];
    return x >= box.x - 1 && x <= right + 1 && y >= box.y - 1 && y <= below + 1;
  };
  for (const { from, to, points } of edges) {
    assert.ok(touches(points[0]!, from), `${from} > ${to} leaves ${from}`);
    assert.ok(touches(points.at(-1)!, to), `${from} > ${to} reaches ${to}`);
  }
});
