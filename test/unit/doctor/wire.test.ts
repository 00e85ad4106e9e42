import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkClients } from '../../../src/cli/doctor/wire-clients.ts';
import { checkHellos } from '../../../src/cli/doctor/wire-hellos.ts';
import type { WireView } from '../../../src/cli/doctor/wire-view.ts';
import type { SeenHello } from '../../../src/io/wire/observations.ts';

const AT = 1_000_000;
const hello = (node: string, more: Partial<SeenHello> = {}): SeenHello => ({
  interface: 'eth0',
  node,
  instance: `${node}-birth`,
  mac: `02:00:00:00:00:0${node.slice(1)}`,
  transport: 'ethernet',
  intervalMs: 50,
  holdMs: 200,
  hears: ['n1-birth', 'n2-birth', 'n3-birth'].filter((birth) => !birth.startsWith(node)),
  heldCount: 0,
  firstAt: 0,
  lastAt: AT - 20,
  worstGapMs: 55,
  ...more,
});

const view = (more: Partial<WireView> = {}): WireView => ({
  at: AT,
  node: 'n1',
  transport: 'ethernet',
  isSigning: true,
  refreshMs: 60_000,
  interfaces: [{ name: 'eth0', instance: 'n1-birth', mtu: 1_500 }],
  hellos: [hello('n2'), hello('n3')],
  strangers: [],
  announcements: [],
  services: [],
  silent: [],
  names: new Map(),
  slowClients: [],
  asked: [],
  tooLong: 0,
  ownMacs: new Set(['02:00:00:00:00:01']),
  ...more,
});

const said = (wire: WireView): readonly string[] =>
  [...checkHellos(wire), ...checkClients(wire)].map(({ level, code, what }) => `${level} ${code} ${what}`);

test('three nodes that hear each other: nothing but ok', () => {
  assert.deepEqual(said(view()), [
    'ok hellos n2 is heard on eth0, and hears this node; at most 55 ms between two of its hellos (interval 50 ms, hold time 200 ms)',
    'ok hellos n3 is heard on eth0, and hears this node; at most 55 ms between two of its hellos (interval 50 ms, hold time 200 ms)',
  ]);
});

const IP = '10.99.0.100';
const held = (holder: string, mac: string) => ({
  ip: IP,
  interface: 'eth0',
  holder,
  mac,
  sinceMs: 600_000,
  staleClients: 0,
});
const stranger = (reason: 'hello-signature' | 'hello-version' | 'hello-group' | 'hello-malformed') => ({
  interface: 'eth0',
  mac: '02:00:00:00:00:09',
  reason,
  count: 7,
  lastAt: AT - 50,
});

// what, the view, what is said of it
const FINDINGS: readonly (readonly [string, Partial<WireView>, RegExp])[] = [
  [
    'a peer that does not hear this node',
    { hellos: [hello('n2', { hears: [] })] },
    /^fail one-way n2 .* does not hear n1/,
  ],
  [
    'a pair of others of which one is deaf',
    { hellos: [hello('n2'), hello('n3', { hears: ['n1-birth'] })] },
    /^fail one-way n3 .* does not hear n2/,
  ],
  [
    'a node heard of, by its name',
    { hellos: [hello('n2')], names: new Map([['n3-birth', 'n3']]) },
    /^fail not-heard n2 hears n3 on eth0, and this host does not/,
  ],
  [
    'a node heard of that nobody knows',
    { hellos: [hello('n2')] },
    /^fail not-heard n2 hears a node that is not known here \(instance n3-birth\)/,
  ],
  [
    'hellos that come late',
    { hellos: [hello('n2', { worstGapMs: 100, hears: ['n1-birth'] })] },
    /^warn late n2 on eth0: at most 100 ms/,
  ],
  [
    'another transport',
    { hellos: [hello('n2', { transport: 'udp', hears: ['n1-birth'] })] },
    /^fail transport n2 says hello over udp/,
  ],
  ['a birth that is over', { hellos: [hello('n2', { lastAt: AT - 201 })] }, /^warn nobody/],
  [
    'another key',
    { strangers: [stranger('hello-signature')] },
    /^fail hello-signature 02:.*:09 on eth0 says hellos that no key here verifies: 7/,
  ],
  [
    'a key where there is none here',
    { strangers: [stranger('hello-signature')], isSigning: false },
    /there is none here: heartbeat.keyFile/,
  ],
  ['another version', { strangers: [stranger('hello-version')] }, /^fail hello-version/],
  ['another group, which is no fault', { strangers: [stranger('hello-group')] }, /^ok group/],
  ['malformed hellos', { strangers: [stranger('hello-malformed')] }, /^warn hello-malformed/],
  [
    'an MTU that is too small, with hellos that did not leave',
    { interfaces: [{ name: 'eth0', instance: 'n1-birth', mtu: 1_280 }], tooLong: 4 },
    /^fail mtu eth0 has an MTU of 1280.*: 4 did not leave/,
  ],
  [
    'a silent peer',
    { silent: [{ node: 'n3', interface: 'eth0', state: 'dead', lastHeardMs: 61_000 }] },
    /^warn silent n3 has been silent on eth0 for 61 s$/,
  ],
  [
    'announcements that do not arrive',
    { services: [held('n2', '02:00:00:00:00:02')] },
    /^warn announcements n2 holds 10\.99\.0\.100, its hellos arrive on eth0 and its announcements do not/,
  ],
  [
    'announcements of another host than the holder',
    {
      services: [held('n2', '02:00:00:00:00:02')],
      announcements: [{ interface: 'eth0', ip: IP, mac: '02:00:00:00:00:09', at: AT }],
    },
    /^fail rival 02:.*:09 announces 10\.99\.0\.100 on eth0, and no hello of its arrives/,
  ],
  [
    'a second answer',
    {
      services: [held('n2', '02:00:00:00:00:02')],
      asked: [{ interface: 'eth0', ip: IP, answers: ['02:00:00:00:00:02', '02:00:00:00:00:09'] }],
    },
    /^fail answers 02:.*:09 answers for 10\.99\.0\.100 on eth0, which n2 holds/,
  ],
  [
    'an answer for what this node holds',
    {
      services: [held('n1', '02:00:00:00:00:01')],
      asked: [{ interface: 'eth0', ip: IP, answers: ['02:00:00:00:00:09'] }],
    },
    /^fail answers .* which n1 holds/,
  ],
  [
    'no answer of the holder',
    { services: [held('n2', '02:00:00:00:00:02')], asked: [{ interface: 'eth0', ip: IP, answers: [] }] },
    /^warn answers n2 holds 10\.99\.0\.100 and did not answer/,
  ],
  [
    'a client that was slow',
    { slowClients: [{ ip: IP, client: '10.99.0.7', mac: '02:aa:00:00:00:07', movedAt: 0, afterMs: 1_250 }] },
    /^warn slow-clients slow to follow .* 10\.99\.0\.7 \(02:aa:00:00:00:07\), up to 1250 ms/,
  ],
  [
    'clients that still send here',
    { services: [{ ...held('n2', '02:00:00:00:00:02'), sinceMs: 0, staleClients: 3 }] },
    /^warn slow-clients clients still send to this node for 10\.99\.0\.100 \(3\)/,
  ],
];
for (const [what, more, line] of FINDINGS) {
  test(`named: ${what}`, () => {
    const lines = said(view(more));
    assert.ok(
      lines.some((each) => line.test(each)),
      lines.join('\n'),
    );
  });
}

test('what was refused long ago, or is held for too short a time to have been announced again, is no finding', () => {
  const old = { ...stranger('hello-signature'), lastAt: AT - 60_000 };
  const young = { ...held('n2', '02:00:00:00:00:02'), sinceMs: 100_000 };
  const lines = said(view({ strangers: [old], services: [young] }));
  assert.ok(
    lines.every((line) => line.startsWith('ok hellos')),
    lines.join('\n'),
  );
});

test('who holds an IP here and gets no answer to his own question is right', () => {
  const services = [held('n1', '02:00:00:00:00:01')];
  assert.equal(said(view({ services, asked: [{ interface: 'eth0', ip: IP, answers: [] }] })).length, 2);
});
