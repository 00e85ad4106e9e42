// The pure parts of the page: which rows, in which order, how many of them, and what is lit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diagramOf } from '../../../src/machines/diagram.ts';
import { serviceIpMachine } from '../../../src/machines/service-ip.ts';
import { litStates, pathOf, takenArrows } from '../../../src/ui/lighting.ts';
import { orderAfter, pick } from '../../../src/ui/list-order.ts';
import { rowWindow } from '../../../src/ui/row-window.ts';
import { createRows, listed, type NodeRow, type ServiceRow } from '../../../src/ui/rows.ts';
import { reasonOf } from '../../../src/ui/words.ts';

const row = (ip: string, more: Partial<ServiceRow> = {}): ServiceRow => ({
  ip,
  state: 'unowned',
  substate: 'idle',
  holder: 'n2',
  epoch: 1,
  weak: false,
  since: '2026-11-20T12:00:00.000Z',
  cause: 'planned',
  reason: 'nobody held it',
  interface: 'eth0',
  mac: null,
  movingTo: null,
  stays: null,
  clients: 0,
  clientsConfirmed: 0,
  staleClients: 0,
  ...more,
});
const node: NodeRow = {
  kind: 'node',
  node: 'n1',
  ready: true,
  drained: false,
  operable: false,
  version: '1',
  interfaces: [],
  peers: [],
  findings: [],
};
const ips = (rows: readonly ServiceRow[], filter: string, order: Parameters<typeof pick>[2]) =>
  pick(rows.map(listed), filter, order).map((found) => found.row.ip);
const BY_IP = { column: 'ip', isDescending: false } as const;

test('addresses are in the order of numbers, IPv4 first', () => {
  const rows = ['fd99::2', '10.0.0.10', 'fd99::10', '10.0.0.9'].map((ip) => row(ip));
  assert.deepEqual(ips(rows, '', BY_IP), ['10.0.0.9', '10.0.0.10', 'fd99::2', 'fd99::10']);
});

test('a filter keeps what has all of its words, wherever they stand', () => {
  const rows = [
    row('10.0.0.1', { state: 'leader', holder: 'n1', reason: 'n2 silent for 204 ms' }),
    row('10.0.0.2', { holder: 'n1' }),
    row('10.0.0.3', { holder: null }),
  ];
  assert.deepEqual(ips(rows, 'N1 SILENT', BY_IP), ['10.0.0.1']);
  assert.deepEqual(ips(rows, ' n1 ', BY_IP), ['10.0.0.1', '10.0.0.2']);
  assert.deepEqual(ips(rows, 'nobody held', BY_IP), ['10.0.0.2', '10.0.0.3']);
  assert.deepEqual(ips(rows, 'no such', BY_IP), []);
});

test('a column sorts, again the other way round; equals stand by address', () => {
  const rows = [
    row('10.0.0.2', { holder: 'n2' }),
    row('10.0.0.1', { holder: 'n2' }),
    row('10.0.0.3', { holder: null }),
  ];
  const once = orderAfter(BY_IP, 'holder');
  assert.deepEqual(ips(rows, '', once), ['10.0.0.3', '10.0.0.1', '10.0.0.2']);
  assert.deepEqual(ips(rows, '', orderAfter(once, 'holder')), ['10.0.0.2', '10.0.0.1', '10.0.0.3']);
});

test('of 10,000 rows only those in sight and some around them are drawn, at every place', () => {
  for (const scrolled of [-300, 0, 17, 5_000, 359_000, 400_000]) {
    const { from, to } = rowWindow(scrolled, 800, 36, 10_000);
    assert.ok(to - from <= 60, `${to - from} rows at ${scrolled}`);
    assert.ok(from >= 0 && from <= to && to <= 10_000);
    const [first, last] = [Math.floor(scrolled / 36), Math.ceil((scrolled + 800) / 36)];
    for (let seen = Math.max(first, 0); seen < Math.min(last, 10_000); seen += 1)
      assert.ok(seen >= from && seen < to, `row ${seen} is in sight at ${scrolled}`);
  }
  assert.deepEqual(rowWindow(0, 800, 36, 0), { from: 0, to: 0 });
});

test('while everything is told anew the old rows stay in sight, until the new are whole', () => {
  const rows = createRows();
  rows.take([node, row('10.0.0.1'), row('10.0.0.2')]);
  rows.take([{ gone: '10.0.0.1' }]);
  assert.deepEqual([...rows.told().ips.keys()], ['10.0.0.2']);
  rows.reset();
  rows.whole();
  rows.take([row('10.0.0.3')]);
  assert.deepEqual([...rows.told().ips.keys()], ['10.0.0.2']);
  rows.take([node]);
  rows.whole();
  assert.deepEqual([...rows.told().ips.keys()], ['10.0.0.3']);
});

test('the state inside a state is lit with the one around it', () => {
  assert.deepEqual(litStates(pathOf('leader', 'settled')), ['leader', 'leader.settled']);
  assert.deepEqual(litStates(pathOf('leader', null)), ['leader']);
});

test('every way between two top states lights an arrow of the machine, the one that leaves where it was', () => {
  const { edges } = diagramOf(serviceIpMachine);
  const top = (path: string): string => path.split('.', 1)[0]!;
  for (const edge of edges) {
    const move = { from: top(edge.from), to: top(edge.to) };
    if (move.from === move.to) continue;
    const taken = takenArrows(edges, edge.from, move);
    assert.ok(taken.includes(edge), `${edge.from} ${edge.event}`);
    assert.ok(taken.every(({ from }) => from === edge.from || from === top(edge.from)));
    assert.ok(
      takenArrows(edges, '', move).includes(edge),
      'and where it was is not known: all that are possible',
    );
  }
});

test("an IP that a peer has held from the first says so; every other has the node's own reason", () => {
  const held = row('10.0.0.1', { state: 'unowned', holder: 'n2', cause: 'unclaimed', reason: 'nobody yet' });
  assert.equal(reasonOf(held), 'n2 claims it');
  assert.equal(reasonOf({ ...held, holder: null }), 'nobody yet', 'nobody has it');
  assert.equal(reasonOf({ ...held, cause: 'planned' }), 'nobody yet');
  assert.deepEqual(ips([held], 'claims', BY_IP), ['10.0.0.1']);
});
