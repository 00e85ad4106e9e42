import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ANNOUNCE_BURST_FRAMES, ANNOUNCE_FRAMES_PER_SECOND } from '../../../src/machines/announcer.ts';
import {
  type ArpFrame,
  BROADCAST_MAC,
  type NeighborFrame,
  type SolicitationFrame,
  ZERO_MAC,
} from '../../../src/machines/frames.ts';
import { directedRequest, directedSolicitation } from '../../../src/machines/neighbor-frames.ts';
import type { WireCommand, WireEvent } from '../../../src/machines/wire-facts.ts';
import { ETH0, RIVAL, V4, V6 } from '../../support/core.ts';
import {
  answerStart,
  birthOf,
  CLIENT,
  createAnswering,
  createWire,
  facts,
  framesIn,
  sent,
} from '../../support/wire-step.ts';

const OWN = ETH0.mac;
const request = (over: Partial<ArpFrame> = {}): ArpFrame => ({
  kind: 'arp',
  ethernetSource: CLIENT.mac,
  ethernetDestination: BROADCAST_MAC,
  operation: 'request',
  sha: CLIENT.mac,
  spa: CLIENT.ipv4,
  tha: ZERO_MAC,
  tpa: V4,
  ...over,
});
const solicitation = (over: Partial<SolicitationFrame> = {}): SolicitationFrame => ({
  kind: 'ns',
  ethernetSource: CLIENT.mac,
  ethernetDestination: '33:33:ff:00:01:00',
  source: CLIENT.ipv6,
  destination: 'ff02::1:ff00:100',
  target: V6,
  sourceLinkLayerAddress: CLIENT.mac,
  ...over,
});
const advertisement = (over: object = {}): NeighborFrame => ({
  kind: 'na',
  ethernetSource: RIVAL,
  ethernetDestination: '33:33:00:00:00:01',
  source: V6,
  destination: 'ff02::1',
  target: V6,
  router: false,
  solicited: false,
  override: true,
  targetLinkLayerAddress: RIVAL,
  ...over,
});
const UNICAST_NS = { ethernetDestination: OWN, destination: V6 } as const;
const DAD = { source: '::', sourceLinkLayerAddress: null } as const;

const arpReply = (to: string, tpa: string) => ({
  kind: 'arp',
  to,
  operation: 'reply',
  sha: OWN,
  spa: V4,
  tha: to,
  tpa,
});
const na = (to: string, destination: string, solicited: boolean) => ({
  kind: 'na',
  to,
  destination,
  solicited,
});
const described = (frame: NeighborFrame) =>
  frame.kind === 'arp'
    ? {
        kind: frame.kind,
        to: frame.ethernetDestination,
        operation: frame.operation,
        sha: frame.sha,
        spa: frame.spa,
        tha: frame.tha,
        tpa: frame.tpa,
      }
    : {
        kind: frame.kind,
        to: frame.ethernetDestination,
        destination: frame.destination,
        solicited: (frame as { solicited?: boolean }).solicited,
      };

const RIVAL_V4 = [`rival.heard ${V4} ${RIVAL}`];
const RIVAL_V6 = [`rival.heard ${V6} ${RIVAL}`];
// what is heard, the frame, the answer (or none), the facts
const HEARD: readonly (readonly [string, NeighborFrame, object | null, readonly string[]])[] = [
  ['a broadcast request', request(), arpReply(CLIENT.mac, CLIENT.ipv4), []],
  [
    'a unicast request to our MAC',
    request({ ethernetDestination: OWN }),
    arpReply(CLIENT.mac, CLIENT.ipv4),
    [],
  ],
  ['a probe of an address we own', request({ spa: '0.0.0.0' }), arpReply(CLIENT.mac, '0.0.0.0'), []],
  ['a request from another segment', request({ spa: '192.0.2.1' }), arpReply(CLIENT.mac, '192.0.2.1'), []],
  ["a request to another station's MAC", request({ ethernetDestination: '02:00:00:00:00:99' }), null, []],
  ['a request to an ARP-less group', request({ ethernetDestination: '01:00:5e:00:00:01' }), null, []],
  ['a request for another address', request({ tpa: '10.99.0.7' }), null, []],
  ['a request whose sender is a group MAC', request({ sha: BROADCAST_MAC }), null, []],
  ['a request whose sender MAC is zero', request({ sha: ZERO_MAC }), null, []],
  ['a reply to somebody', request({ operation: 'reply', tpa: V4 }), null, []],
  ['a gratuitous request of a rival', request({ sha: RIVAL, spa: V4, tpa: V4 }), null, RIVAL_V4],
  [
    'a gratuitous reply of a rival',
    request({ operation: 'reply', sha: RIVAL, spa: V4, tha: RIVAL }),
    null,
    RIVAL_V4,
  ],
  [
    "a rival's answer to a client",
    request({ operation: 'reply', sha: RIVAL, spa: V4, tpa: CLIENT.ipv4, ethernetDestination: CLIENT.mac }),
    null,
    RIVAL_V4,
  ],
  ['our own gratuitous request, looped back', request({ sha: OWN, spa: V4 }), null, []],
  ['a client announcing itself', request({ tpa: CLIENT.ipv4 }), null, []],
  ['a multicast solicitation', solicitation(), na(CLIENT.mac, CLIENT.ipv6, true), []],
  ['a unicast solicitation (NUD)', solicitation(UNICAST_NS), na(CLIENT.mac, CLIENT.ipv6, true), []],
  [
    'a unicast solicitation without the option',
    solicitation({ ...UNICAST_NS, sourceLinkLayerAddress: null }),
    na(CLIENT.mac, CLIENT.ipv6, true),
    [],
  ],
  ['a DAD solicitation', solicitation(DAD), na('33:33:00:00:00:01', 'ff02::1', false), []],
  [
    "a solicitation to another station's MAC",
    solicitation({ ...UNICAST_NS, ethernetDestination: '02:00:00:00:00:99' }),
    null,
    [],
  ],
  ['a solicitation for another address', solicitation({ target: 'fd99::7' }), null, []],
  [
    'a solicitation whose option is a group',
    solicitation({ sourceLinkLayerAddress: '33:33:00:00:00:01' }),
    null,
    [],
  ],
  ['a solicitation whose option is zero', solicitation({ sourceLinkLayerAddress: ZERO_MAC }), null, []],
  [
    'a solicitation from the service IP itself',
    solicitation({ source: V6, sourceLinkLayerAddress: RIVAL }),
    null,
    RIVAL_V6,
  ],
  ['an unsolicited advertisement of a rival', advertisement(), null, RIVAL_V6],
  [
    'an advertisement of a rival without the option',
    advertisement({ targetLinkLayerAddress: null }),
    null,
    RIVAL_V6,
  ],
  ['our own advertisement, looped back', advertisement({ targetLinkLayerAddress: OWN }), null, []],
  ['an advertisement for another address', advertisement({ target: CLIENT.ipv6 }), null, []],
];
for (const [what, frame, answer, news] of HEARD) {
  test(`${what} is ${answer === null ? 'not answered' : 'answered'}${news.length > 0 ? ' and is news' : ''}`, () => {
    const outputs = createAnswering().hear(10, frame);
    assert.deepEqual(sent(outputs).map(described), answer === null ? [] : [answer]);
    assert.deepEqual(facts(outputs), news);
  });
  test(`${what}, in shadow mode, sends nothing, counts no answer and reports the same`, () => {
    const wire = createAnswering({ announce: false });
    const outputs = wire.hear(10, frame);
    assert.equal(framesIn(outputs), 0);
    assert.deepEqual(facts(outputs), news);
    assert.deepEqual(wire.step.counters.answers, {}, 'status and metrics would say that it answered');
  });
  test(`${what}, on an interface that is not the one of the claim, is not answered`, () => {
    const wire = createAnswering();
    wire.at(1, { type: 'link.changed', interface: { ...ETH0, name: 'eth1', mac: '02:00:00:00:00:02' } });
    assert.deepEqual(sent(wire.hear(10, frame, 'eth1')), []);
  });
}

test('an answer comes from our MAC and overrides what the client believed', () => {
  const [frame] = sent(createAnswering().hear(10, solicitation()));
  assert.ok(frame?.kind === 'na');
  assert.deepEqual(
    [
      frame.ethernetSource,
      frame.source,
      frame.target,
      frame.override,
      frame.router,
      frame.targetLinkLayerAddress,
    ],
    [OWN, V6, V6, true, false, OWN],
  );
});

test('nothing is answered without an answer.start, on a link that is down, or after answer.stop', () => {
  assert.deepEqual(sent(createWire().hear(10, request())), []);
  const down = createAnswering();
  down.at(1, { type: 'link.changed', interface: { ...ETH0, up: false } });
  assert.deepEqual(sent(down.hear(10, request())), []);
  const stopped = createAnswering();
  stopped.obey(1, { type: 'answer.stop', ip: V4 });
  assert.deepEqual(sent(stopped.hear(10, request())), []);
});

test('a new MAC is used from the next answer on, and is not a rival', () => {
  const wire = createAnswering();
  const mac = '02:00:00:00:00:77';
  assert.deepEqual(facts(wire.at(1, { type: 'link.changed', interface: { ...ETH0, mac } })), [
    'interface.changed eth0',
  ]);
  const [frame] = sent(wire.hear(2, request()));
  assert.ok(frame?.kind === 'arp' && frame.sha === mac && frame.ethernetSource === mac);
  assert.deepEqual(facts(wire.hear(3, request({ sha: mac, spa: V4 }))), []);
});

test('an announcement is a gratuitous request and a reply with THA = SHA, or an advertisement', () => {
  const wire = createAnswering();
  const arp = sent(wire.obey(0, { type: 'announce', ip: V4, interface: 'eth0' }));
  assert.deepEqual(arp.map(described), [
    { kind: 'arp', to: BROADCAST_MAC, operation: 'request', sha: OWN, spa: V4, tha: ZERO_MAC, tpa: V4 },
    { kind: 'arp', to: BROADCAST_MAC, operation: 'reply', sha: OWN, spa: V4, tha: OWN, tpa: V4 },
  ]);
  assert.deepEqual(wire.obey(0, { type: 'announce', ip: V6, interface: 'eth0' }), [
    { type: 'advertise', interface: 'eth0', ip: V6, mac: OWN },
  ]);
});

test('shadow mode announces, probes and defends nothing, and counts nothing', () => {
  const wire = createAnswering({ announce: false });
  const probe = { type: 'probe', ip: V4, interface: 'eth0', delayMs: 0, durationMs: 1_000 } as const;
  for (const command of [
    probe,
    { type: 'announce', ip: V4, interface: 'eth0' },
    { type: 'defend', ip: V4, interface: 'eth0' },
  ] as const) {
    assert.deepEqual(wire.obey(0, command), []);
  }
  for (let ms = 0; ms < 5_000; ms += 100) {
    const outputs = wire.clock(ms);
    // The core goes on as if nobody had answered: what would have been done is what shadow mode is for.
    assert.deepEqual([framesIn(outputs), facts(outputs)], [0, ms === 1_000 ? ['addresses.probed'] : []]);
  }
  assert.deepEqual([wire.step.counters.announcements, wire.step.counters.probes], [{ arp: 0, ndp: 0 }, 0]);
});

test('while an address is probed, a probe of another host for it is a rival', () => {
  const wire = createWire();
  for (const ip of [V4, V6])
    wire.obey(0, { type: 'probe', ip, interface: 'eth0', delayMs: 0, durationMs: 1_000 });
  const theirs = request({ spa: '0.0.0.0', sha: RIVAL });
  assert.deepEqual(facts(wire.hear(10, theirs)), RIVAL_V4);
  assert.deepEqual(facts(wire.hear(10, solicitation({ ...DAD, ethernetSource: RIVAL }))), RIVAL_V6);
  for (const ip of [V4, V6]) wire.obey(1_000, answerStart(ip));
  assert.equal(sent(wire.hear(2_000, theirs)).length, 1);
});

test('defences are paced like announcements: conflicts on every IP at once are no storm', () => {
  const watched = Array.from({ length: 2_000 }, (_, index) => `10.98.${index >> 8}.${index & 255}`);
  const wire = createAnswering({ watched });
  let frames = 0;
  for (const ip of watched) frames += framesIn(wire.obey(5, { type: 'defend', ip, interface: 'eth0' }));
  assert.ok(frames <= ANNOUNCE_BURST_FRAMES, `${frames} frames left at one instant`);
  for (let ms = 5; ms < 1_005; ms += 1) frames += framesIn(wire.clock(ms));
  assert.ok(frames <= ANNOUNCE_BURST_FRAMES + ANNOUNCE_FRAMES_PER_SECOND);
  assert.equal(frames, 2 * watched.length);
});

test('announcements of many IPs by the clock alone keep the pace', () => {
  const watched = Array.from({ length: 3_000 }, (_, index) => `10.98.${index >> 8}.${index & 255}`);
  const wire = createAnswering({ watched });
  let frames = 0;
  for (const ip of watched) frames += framesIn(wire.obey(5, { type: 'announce', ip, interface: 'eth0' }));
  assert.ok(frames <= ANNOUNCE_BURST_FRAMES);
  for (let ms = 5; ms <= 605; ms += 1) frames += framesIn(wire.clock(ms));
  assert.equal(frames, 2 * watched.length);
});

const alive = (ms: number): WireEvent => ({ type: 'main.alive', at: ETH0_START + ms });
const ETH0_START = Date.UTC(2026, 10, 20, 12);
const hung = () => {
  const wire = createAnswering();
  wire.at(0, alive(0));
  return wire;
};

test('a main thread that gives no sign of life for the watchdog time shuts everything; once it lives again a new birth is said', () => {
  const wire = hung();
  assert.deepEqual(facts(wire.clock(2_999)), []);
  assert.equal(sent(wire.hear(2_999.5, request())).length, 1);
  assert.equal(wire.step.nextDeadline(), ETH0_START + 3_000);
  assert.deepEqual(wire.clock(3_000), [], 'nobody is there to be told');
  assert.equal(wire.step.answering(), 0);
  assert.deepEqual(wire.hear(3_001, request()), []);
  assert.deepEqual(wire.clock(8_999), []);
  assert.deepEqual(wire.at(9_000, alive(9_000)), [
    { type: 'rebirth' },
    {
      type: 'fact',
      input: {
        type: 'wire.reborn',
        reason: 'the main thread gave no sign of life for 3000 ms',
        instance: birthOf('n1', 2),
      },
    },
  ]);
  assert.deepEqual(facts(wire.at(9_500, alive(9_500))), [], 'said once');
  assert.equal(wire.step.counters.rebirths, 1);
});

test('a sign of life that the thread finds when the watchdog time is over, given before that, is one', () => {
  const wire = hung();
  assert.deepEqual(facts(wire.at(3_000.5, alive(2_900))), []);
  assert.equal(wire.step.counters.rebirths, 0);
  assert.equal(sent(wire.hear(3_001, request())).length, 1);
  assert.equal(wire.step.nextDeadline(), ETH0_START + 5_900);
});

test('a shut thread looks for the main thread again by itself: on a quiet wire nothing else would wake it', () => {
  const wire = hung();
  wire.clock(3_000);
  for (let ms = 3_000; ms < 60_000; ) {
    const next = (wire.step.nextDeadline() ?? Number.POSITIVE_INFINITY) - ETH0_START;
    assert.ok(next > ms && next <= ms + 1_000, `at ${ms} ms it sleeps until ${next}`);
    ms = next;
    assert.deepEqual(wire.clock(ms), []);
  }
  assert.deepEqual(facts(wire.at(60_500, alive(60_400))), ['wire.reborn']);
});

test('a queued frame that is read before the late clock gets no answer', () => {
  assert.deepEqual(sent(hung().hear(5_000, request())), []);
});

test('a command or a sign of life that comes too late does not hide that the thread was hung', () => {
  const command = { type: 'command', command: answerStart(V4), birth: birthOf('n1', 1) } as const;
  for (const event of [alive(5_000), command]) {
    const wire = hung();
    const said = facts(wire.at(5_000, event));
    assert.deepEqual(said, event.type === 'command' ? [] : ['wire.reborn'], event.type);
    assert.deepEqual(sent(wire.hear(5_000.1, request())), []);
    assert.equal(wire.step.answering(), 0);
    assert.deepEqual(facts(wire.at(5_001, alive(5_001))), event.type === 'command' ? ['wire.reborn'] : []);
  }
});

test('while shut, commands are ignored; an old sign of life opens nothing', () => {
  const wire = hung();
  wire.clock(3_000);
  wire.obey(3_100, answerStart(V4));
  assert.deepEqual(wire.obey(3_100, { type: 'announce', ip: V4, interface: 'eth0' }), []);
  assert.deepEqual(sent(wire.hear(3_200, request())), []);
  wire.at(3_300, alive(200));
  wire.obey(3_300, answerStart(V4));
  assert.deepEqual(sent(wire.hear(3_400, request())), []);
});

test('after new signs of life it still answers nothing until it is told to again, for its new birth', () => {
  const wire = hung();
  const old = wire.birth();
  wire.clock(3_000);
  wire.at(4_000, alive(4_000));
  assert.deepEqual(sent(wire.hear(4_001, request())), []);
  wire.at(4_001.5, { type: 'command', command: answerStart(V4), birth: old });
  assert.deepEqual(sent(wire.hear(4_001.6, request())), [], 'an order for the life before');
  wire.obey(4_002, answerStart(V4));
  assert.equal(sent(wire.hear(4_003, request())).length, 1);
  assert.equal(wire.step.nextDeadline(), ETH0_START + 7_000);
});

const ips = fc.constantFrom(V4, V6);
const ordered = (command: WireCommand): WireEvent => ({
  type: 'command',
  command,
  birth: birthOf('n1', 1),
});
const events: fc.Arbitrary<WireEvent> = fc.oneof(
  ips.map((ip) => ordered(answerStart(ip))),
  ips.map((ip) => ordered({ type: 'answer.stop', ip })),
  ips.map((ip) => ordered({ type: 'announce', ip, interface: 'eth0' })),
  ips.map((ip) => ordered({ type: 'defend', ip, interface: 'eth0' })),
  fc.constant(ordered({ type: 'listen', interfaces: ['eth0'] })),
  fc
    .constantFrom(
      request(),
      solicitation(),
      solicitation(UNICAST_NS),
      solicitation(DAD),
      request({ spa: '0.0.0.0' }),
      advertisement(),
    )
    .map((frame) => ({ type: 'frame', interface: 'eth0', frame }) as const),
  fc.boolean().map((up) => ({ type: 'link.changed', interface: { ...ETH0, up } }) as const),
  fc.constant({ type: 'link.gone', name: 'eth0' } as const),
  fc.constant({ type: 'clock' } as const),
);

test('after answer.stop no frame that claims the IP ever leaves, until the next answer.start', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 2_000 }), events), { maxLength: 60 }), (list) => {
      const wire = createWire();
      const held = new Set<string>();
      let ms = 0;
      for (const [wait, event] of list) {
        ms += wait;
        if (event.type === 'command' && event.command.type === 'answer.start') held.add(event.command.ip);
        if (event.type === 'command' && event.command.type === 'answer.stop') held.delete(event.command.ip);
        for (const output of wire.at(ms, event)) {
          if (output.type === 'advertise') assert.ok(held.has(output.ip));
          else if (output.type === 'send') {
            const { frame } = output;
            if (frame.kind === 'hello') {
              for (const { ip } of frame.slices.flatMap(({ claims }) => claims)) assert.ok(held.has(ip));
              for (const change of frame.changes) assert.equal(change.held, held.has(change.ip));
            } else assert.ok(held.has(frame.kind === 'arp' ? frame.spa : frame.source));
          }
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('directed requests to a client are what the client answers', () => {
  const arp = directedRequest(V4, OWN, { ip: CLIENT.ipv4, mac: CLIENT.mac });
  assert.deepEqual(
    [arp.operation, arp.spa, arp.tpa, arp.ethernetDestination, arp.sha],
    ['request', V4, CLIENT.ipv4, CLIENT.mac, OWN],
  );
  const ns = directedSolicitation(V6, OWN, { ip: CLIENT.ipv6, mac: CLIENT.mac });
  assert.deepEqual(
    [ns.source, ns.target, ns.destination, ns.sourceLinkLayerAddress],
    [V6, CLIENT.ipv6, CLIENT.ipv6, OWN],
  );
});
