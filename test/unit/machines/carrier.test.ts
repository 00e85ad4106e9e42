import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCarrier } from '../../../src/machines/carrier.ts';
import { START, V4, V4_OTHER } from '../../support/core.ts';

const QUIET_MS = 10_000;
const CLIENT = { ip: '10.99.0.201', mac: '02:00:00:00:02:01' };
const OTHER = { ip: '10.99.0.202', mac: '02:00:00:00:02:02' };
const ROUTER = '02:00:00:00:02:fe';

/** A drain of V4 from 0 on, with what it asked and told so far, in words. */
const drain = (patient: boolean, known: readonly { ip: string; mac: string }[] = []) => {
  const carrier = createCarrier();
  let isHeld = true;
  const asked: string[] = [];
  const told: string[] = [];
  carrier.start(V4, START, { interface: 'eth0', patient, quietMs: QUIET_MS }, known);
  const runTo = (ms: number): void => {
    for (let due = carrier.nextDeadline(); due !== null && due <= START + ms; due = carrier.nextDeadline()) {
      const at = Math.max(due, START);
      const { questions, news } = carrier.takeDue(at, () => isHeld);
      for (const { client } of questions) asked.push(`${at - START} ${client.ip ?? client.mac}`);
      for (const { stale } of news) told.push(`${at - START} ${stale}`);
    }
  };
  const send = (ms: number, from: { ip: string; mac: string }, isOnLink = true): void => {
    runTo(ms);
    carrier.seen(V4, START + ms, { mac: from.mac, source: from.ip }, isOnLink);
    runTo(ms);
  };
  const connect = (ms: number, ...remotes: string[]): void => {
    runTo(ms);
    carrier.connected(START + ms, new Map([[V4, remotes]]));
    runTo(ms);
  };
  const setHeld = (is: boolean): void => {
    isHeld = is;
  };
  return { carrier, asked, told, runTo, send, connect, setHeld };
};

test('prompt: who sends is asked at once, again while it goes on sending, and no more once it has moved', () => {
  const { asked, told, send, runTo } = drain(false, [OTHER]);
  for (const ms of [50, 100, 150, 300]) send(ms, CLIENT);
  runTo(20_000);
  assert.deepEqual(asked, [`50 ${CLIENT.ip}`, `250 ${CLIENT.ip}`, `550 ${CLIENT.ip}`]);
  assert.equal(told[0], '50 1');
  assert.deepEqual(told.at(-1)?.split(' ')[1], '0', 'and that it has moved');
});

test('a client that no question moves is asked sixteen times, and carried on', () => {
  const { asked, told, send } = drain(false);
  for (let ms = 0; ms <= 100_000; ms += 200) send(ms, CLIENT);
  assert.equal(asked.length, 16);
  const [last] = (told.at(-1) ?? '').split(' ');
  assert(Number(last) > 97_000, 'the core hears often enough that quiet is not over in between');
  for (const [index, entry] of told.entries())
    assert(index === 0 || Number(entry.split(' ')[0]) - Number(told[index - 1]?.split(' ')[0]) < QUIET_MS);
});

test('while nobody is heard who holds the IP no question is spent, and it is asked once somebody is', () => {
  const { asked, send, setHeld } = drain(false);
  setHeld(false);
  for (let ms = 0; ms <= 20_000; ms += 100) send(ms, CLIENT);
  assert.deepEqual(asked, []);
  setHeld(true);
  for (let ms = 20_100; ms <= 20_400; ms += 100) send(ms, CLIENT);
  const [first = ''] = asked;
  assert(Number(first.split(' ')[0]) <= 20_300, first);
});

test('a router, whose own address is not known, is asked by its MAC, as one client', () => {
  const { asked, carrier, send } = drain(false);
  for (let host = 1; host <= 5; host += 1) send(10, { ip: `192.0.2.${host}`, mac: ROUTER }, false);
  assert.deepEqual(asked, [`10 ${ROUTER}`]);
  assert.deepEqual(carrier.counts(START + 20), { [V4]: 1 });
});

test('patient: nobody is asked before open connections are known, however quiet', () => {
  const { asked, runTo } = drain(true, [CLIENT]);
  runTo(60_000);
  assert.deepEqual(asked, []);
});

test('patient: a client is moved when its last connection is gone and it was quiet since', () => {
  const { asked, connect, send, runTo } = drain(true, [CLIENT, OTHER]);
  for (let ms = 0; ms <= 30_000; ms += 500) connect(ms, CLIENT.ip);
  send(30_000, CLIENT);
  for (let ms = 30_500; ms <= 50_000; ms += 500) connect(ms);
  runTo(60_000);
  const first = (ip: string) => Number(asked.find((entry) => entry.endsWith(ip))?.split(' ')[0]);
  assert.equal(
    first(OTHER.ip),
    QUIET_MS,
    'who has no connection, and is silent, is moved after the quiet time',
  );
  // The end is believed at the second list, and quiet counts from the last list with it.
  assert(first(CLIENT.ip) >= 40_000 && first(CLIENT.ip) <= 42_000, asked.join('; '));
  assert.equal(asked.filter((entry) => entry.endsWith(CLIENT.ip)).length, 3, 'three times, to be sure');
});

test('patient: connections from beyond a router keep who forwards, not the hosts of the segment', () => {
  const { asked, connect, send } = drain(true, [OTHER]);
  send(10, { ip: '192.0.2.1', mac: ROUTER }, false);
  send(300, { ip: '192.0.2.2', mac: ROUTER }, false);
  for (let ms = 500; ms <= 30_000; ms += 500) connect(ms, '192.0.2.77');
  assert.deepEqual([...new Set(asked.map((entry) => entry.split(' ')[1]))], [OTHER.ip]);
});

test('patient: a unicast request is to be answered until its sender was asked to move', () => {
  const { carrier, connect, runTo } = drain(true);
  assert.equal(carrier.isKept(V4, START + 100, CLIENT), true);
  for (let ms = 0; ms <= 15_000; ms += 500) connect(ms);
  runTo(15_000);
  assert.equal(carrier.isKept(V4, START + 15_000, CLIENT), false, 'it has been asked');
  assert.equal(carrier.isKept(V4_OTHER, START, CLIENT), false, 'another IP');
  assert.equal(drain(false).carrier.isKept(V4, START, CLIENT), false, 'a prompt drain keeps nobody');
});

test('the end: in a patient drain whoever is left is asked, and what became of the clients is told', () => {
  const { carrier, send } = drain(true, [OTHER]);
  send(700, CLIENT);
  const { questions, outcome } = carrier.stop(V4, START + 1_000);
  assert.deepEqual(
    questions.map(({ client }) => client.ip),
    [OTHER.ip, CLIENT.ip],
  );
  assert.deepEqual(outcome, { ip: V4, clients: 1, lastMs: 700, tookMs: [700] });
  assert.deepEqual(carrier.stop(V4, START + 1_000), { questions: [], outcome: null });
  assert.deepEqual([carrier.watched().size, carrier.nextDeadline()], [0, null]);
});

test('ten thousand senders: followed up to a bound, and asked at the stated pace', () => {
  const { carrier, asked, runTo } = drain(false);
  for (let index = 0; index < 10_000; index += 1) {
    const mac = `02:00:00:01:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}`;
    carrier.seen(V4, START, { mac, source: `10.98.${index >> 8}.${index & 255}` }, true);
  }
  assert.deepEqual(carrier.counts(START), { [V4]: 256 });
  runTo(0);
  assert.equal(asked.length, 50);
  runTo(1_000);
  assert.equal(asked.length, 256);
});
