import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRivalReports } from '../../../src/machines/rival-reports.ts';
import { RIVAL, V4, V4_OTHER } from '../../support/core.ts';

const macOf = (index: number): string =>
  `02:00:00:${[index >> 16, (index >> 8) & 255, index & 255].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;

test('a burst of one rival is one piece of news; what comes a second later is another', () => {
  const rivals = createRivalReports();
  const news = [0, 1, 2, 500, 999, 1_000, 1_100, 1_999, 2_000].filter((at) => rivals.isNews(at, V4, RIVAL));
  assert.deepEqual(news, [0, 1_000, 2_000]);
});

test('each IP and each rival is news of its own', () => {
  const rivals = createRivalReports();
  assert.equal(rivals.isNews(0, V4, RIVAL), true);
  assert.equal(rivals.isNews(0, V4_OTHER, RIVAL), true);
  assert.equal(rivals.isNews(0, V4, macOf(1)), true);
});

test('a spoofer with a new MAC in each frame is news at most eight times in any second', () => {
  const rivals = createRivalReports();
  const news: number[] = [];
  for (let index = 0; index < 50_000; index += 1) {
    if (rivals.isNews(index / 10, V4, macOf(index))) news.push(index / 10);
  }
  for (const from of news) {
    assert.ok(news.filter((at) => at >= from && at < from + 1_000).length <= 8);
  }
  assert.ok(news.length >= 20, 'the spoofing is still seen in each second');
});

test('a spoofer cannot hide a rival for good: after a quiet second it is news again', () => {
  const rivals = createRivalReports();
  for (let index = 0; index < 5_000; index += 1) rivals.isNews(index / 10, V4, macOf(index));
  assert.equal(rivals.isNews(1_600, V4, RIVAL), true);
});

test('an address that is probed from now on: who was heard a moment before is news once more', () => {
  const rivals = createRivalReports();
  assert.deepEqual([rivals.isNews(0, V4, RIVAL), rivals.isNews(0, V4_OTHER, RIVAL)], [true, true]);
  assert.equal(rivals.isNews(500, V4, RIVAL), false);
  rivals.forget(V4);
  assert.equal(rivals.isNews(510, V4, RIVAL), true);
  assert.equal(rivals.isNews(510, V4_OTHER, RIVAL), false, 'another address');
});
