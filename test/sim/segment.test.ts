// The simulated switch learns, ages and floods like a real one, and breaks in the ways that it is asked to.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createEventQueue } from './event-queue.ts';
import { createRandom } from './random.ts';
import { createSegment, type Port } from './segment.ts';

const MAC: Readonly<Record<string, string>> = {
  a: '02:00:00:00:00:0a',
  b: '02:00:00:00:00:0b',
  c: '02:00:00:00:00:0c',
};
const ALL = 'ff:ff:ff:ff:ff:ff';

const build = (loss = 0) => {
  const queue = createEventQueue();
  const segment = createSegment({ queue, random: createRandom(1), ageMs: 10_000 });
  const got: string[] = [];
  const attach = (name: string): Port =>
    segment.attach(name, { delayMs: 1, jitterMs: 0.5, loss, duplication: 0 }, () => got.push(name));
  const ports = { a: attach('a'), b: attach('b'), c: attach('c') };
  /** Who got a frame from `from` to `to`. */
  const send = (from: 'a' | 'b' | 'c', to: string): string => {
    got.length = 0;
    const data = {
      kind: 'data',
      client: from,
      source: '10.0.0.9',
      ip: '10.0.0.1',
      sentAt: queue.now(),
    } as const;
    segment.send(ports[from], {
      ...data,
      ethernetSource: MAC[from] as string,
      ethernetDestination: MAC[to] ?? to,
    });
    queue.runUntil(queue.now() + 10);
    return [...got].sort().join('');
  };
  return { queue, segment, ports, send };
};

describe('simulated switch', () => {
  it('floods groups and unknown addresses, and forwards learned ones to their port only', () => {
    const { send } = build();
    assert.equal(send('a', ALL), 'bc');
    assert.equal(send('a', 'b'), 'bc');
    assert.equal(send('b', 'a'), 'a');
    assert.equal(send('a', 'b'), 'b');
  });
  it('forgets what it has not heard for its ageing time', () => {
    const { send, queue } = build();
    send('b', ALL);
    queue.runUntil(queue.now() + 10_001);
    assert.equal(send('a', 'b'), 'bc');
  });
  it('forgets the addresses of a port that went down', () => {
    const { send, segment, ports } = build();
    send('b', ALL);
    segment.setCarrier(ports.b, false);
    assert.equal(send('a', 'b'), 'c');
    assert.equal(send('b', ALL), '');
  });
  it('passes nothing between the halves of a partition, and all again when joined', () => {
    const { send, segment } = build();
    segment.partition(['a', 'b']);
    assert.equal(send('a', ALL), 'b');
    assert.equal(send('c', ALL), '');
    segment.partition([]);
    assert.equal(send('c', ALL), 'ab');
  });
  it('drops one way only where one way is broken, or a port deaf or mute', () => {
    const { send, segment, ports } = build();
    segment.setOneWay(ports.a, ports.b, true);
    assert.deepEqual([send('a', ALL), send('b', ALL)], ['c', 'ac']);
    ports.c.isDeaf = true;
    assert.deepEqual([send('b', ALL), send('c', ALL)], ['a', 'ab']);
    ports.c.isMute = true;
    assert.equal(send('c', ALL), '');
  });
  it('loses about the share of frames that it is told to lose', () => {
    const { send } = build(0.2);
    let arrived = 0;
    for (let index = 0; index < 1_000; index += 1) arrived += send('a', ALL).length;
    // Each of two receivers, over two links.
    assert.ok(Math.abs(arrived / 2_000 - 0.64) < 0.05, `${arrived}`);
  });
});
