import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ASK_AT_MS,
  type Client,
  createClients,
  LAST_ANSWER_MS,
  MAX_CLIENTS,
  MAX_CLIENTS_PER_IP,
} from '../../../src/machines/clients.ts';
import { START, V4, V6 } from '../../support/core.ts';

const clientOf = (index: number): Client => ({
  ip: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
  mac: '02:00:00:00:00:0a',
});
const [A, B] = [clientOf(1), clientOf(2)];
const OVER_MS = (ASK_AT_MS.at(-1) as number) + LAST_ANSWER_MS;

/** Runs from deadline to deadline; `10 A B` for whom was asked when, and what settled. */
const run = (clients: ReturnType<typeof createClients>, until: number) => {
  const asked: string[] = [];
  const settled: object[] = [];
  for (;;) {
    const at = clients.nextDeadline();
    if (at === null || at > START + until) return { asked, settled };
    const due = clients.takeDue(at);
    for (const { ip, client } of due.questions) asked.push(`${at - START} ${ip} ${client.ip}`);
    settled.push(...due.settled);
  }
};

test('every known client is asked after the announcement, again and again until it confirms, five times at most', () => {
  const clients = createClients();
  for (const client of [A, B]) clients.learn(V4, client, START, false);
  clients.ask(V4, START);
  assert.equal(clients.nextDeadline(), START + 5);
  assert.deepEqual(run(clients, 50).asked, [`5 ${V4} ${A.ip}`, `5 ${V4} ${B.ip}`]);
  assert.equal(clients.confirm(V4, A.ip, START + 60), 60);
  assert.equal(clients.confirm(V4, A.ip, START + 70), null, 'once');
  const rest = run(clients, 60_000);
  assert.deepEqual(
    rest.asked,
    ASK_AT_MS.slice(1).map((ms) => `${ms} ${V4} ${B.ip}`),
  );
  assert.deepEqual(rest.settled, [{ ip: V4, known: 2, confirmed: 1, afterMs: 60 }]);
  assert.deepEqual(
    clients.counts(),
    { [V4]: { clients: 1, clientsConfirmed: 1 } },
    'who never answered is gone',
  );
  assert.equal(clients.nextDeadline(), null);
});

test('a move that all confirm is settled at the next question, which is not asked', () => {
  const clients = createClients();
  for (const client of [A, B]) clients.learn(V4, client, START, false);
  clients.ask(V4, START);
  run(clients, 10);
  clients.confirm(V4, A.ip, START + 11);
  clients.confirm(V4, B.ip, START + 12);
  assert.deepEqual(run(clients, 60_000), {
    asked: [],
    settled: [{ ip: V4, known: 2, confirmed: 2, afterMs: 12 }],
  });
});

test('a move that nobody confirms is settled when the last question has had its time', () => {
  const clients = createClients();
  clients.learn(V4, A, START, false);
  clients.ask(V4, START);
  assert.deepEqual(run(clients, OVER_MS - 1).settled, []);
  assert.deepEqual(run(clients, OVER_MS).settled, [{ ip: V4, known: 1, confirmed: 0, afterMs: null }]);
  assert.equal(clients.isKnown(V4), false);
});

test('an announcement again starts the questions over; stopping ends them without a result', () => {
  const clients = createClients();
  clients.learn(V4, A, START, true);
  clients.ask(V4, START);
  run(clients, 200);
  clients.ask(V4, START + 300);
  assert.equal(clients.nextDeadline(), START + 305);
  clients.stop(V4);
  assert.deepEqual(run(clients, 60_000), { asked: [], settled: [] });
  assert.equal(clients.confirm(V4, A.ip, START + 900), null);
  clients.ask(V4, START + 1_000);
  clients.stopAll();
  assert.equal(clients.nextDeadline(), null);
  assert.equal(clients.isKnown(V4), true, 'known on every node, whoever owns the IP');
});

test('who asked an owner that answers is confirmed; who asked another node is only known', () => {
  const clients = createClients();
  clients.learn(V4, A, START, true);
  clients.learn(V4, B, START, false);
  assert.deepEqual(clients.counts(), { [V4]: { clients: 2, clientsConfirmed: 1 } });
  assert.deepEqual([clients.isKnown(V4), clients.isKnown(V6)], [true, false]);
});

test('without known clients nothing is asked', () => {
  const clients = createClients();
  clients.ask(V4, START);
  assert.equal(clients.nextDeadline(), null);
});

test('a client that changed its MAC is asked at the new one', () => {
  const clients = createClients();
  clients.learn(V4, A, START, true);
  clients.learn(V4, { ...A, mac: '02:00:00:00:00:77' }, START + 1, false);
  clients.ask(V4, START + 2);
  assert.equal(clients.takeDue(START + 10).questions[0]?.client.mac, '02:00:00:00:00:77');
});

test('of one IP only so many clients are remembered: the one not heard of for longest goes', () => {
  const clients = createClients();
  for (let index = 0; index < MAX_CLIENTS_PER_IP; index += 1)
    clients.learn(V4, clientOf(index), START + index, true);
  clients.learn(V4, clientOf(0), START + 1_000, true);
  clients.learn(V4, clientOf(9_999), START + 1_001, true);
  assert.equal(clients.counts()[V4]?.clients, MAX_CLIENTS_PER_IP);
  clients.ask(V4, START + 2_000);
  const asked = clients.takeDue(START + 2_005).questions.map(({ client }) => client.ip);
  assert.deepEqual(
    [clientOf(0), clientOf(1), clientOf(9_999)].map(({ ip }) => asked.includes(ip)),
    [true, false, true],
  );
});

test('a flood of made-up clients of many IPs is bounded in all', () => {
  const clients = createClients();
  const ips = Math.ceil(MAX_CLIENTS / MAX_CLIENTS_PER_IP) + 100;
  for (let ip = 0; ip < ips; ip += 1) {
    for (let index = 0; index < MAX_CLIENTS_PER_IP; index += 1)
      clients.learn(`10.9.${ip >> 8}.${ip & 255}`, clientOf(index), START + index, true);
  }
  const total = Object.values(clients.counts()).reduce((sum, { clients: count }) => sum + count, 0);
  assert.equal(total, MAX_CLIENTS);
});

test('who confirms late or never is remembered as slow until the next move, 256 at most', () => {
  const clients = createClients();
  for (const client of [A, B]) clients.learn(V4, client, START, false);
  clients.ask(V4, START);
  clients.confirm(V4, A.ip, START + 1_200);
  run(clients, OVER_MS);
  const slow = (client: Client, afterMs: number | null) => ({
    ip: V4,
    client: client.ip,
    mac: client.mac,
    movedAt: START,
    afterMs,
  });
  assert.deepEqual(clients.slow(), [slow(A, 1_200), slow(B, null)]);
  clients.ask(V4, START + 60_000);
  clients.confirm(V4, A.ip, START + 60_010);
  assert.deepEqual(clients.slow(), [slow(B, null)]);
  for (let index = 0; index < 300; index += 1) {
    const ip = `10.99.1.${index}`;
    clients.learn(ip, A, START + 60_000, false);
    clients.ask(ip, START + 60_000);
  }
  run(clients, 60_000 + OVER_MS);
  assert.equal(clients.slow().length, 256);
});
