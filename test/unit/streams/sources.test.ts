import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, NEVER, Observable, of, Subject, throwError, VirtualTimeScheduler } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import type { Fact } from '../../../src/streams/facts.ts';
import { fromListener, guarded, SOURCE_REST_MS } from '../../../src/streams/sources.ts';

const CLOCK: Fact = { input: { type: 'clock' } };
const failed = (reason: string): Fact => ({ input: { type: 'source.failed', source: 'wire', reason } });

test('a source that fails is said, rests for a second and is subscribed again', () => {
  const scheduler = new TestScheduler((actual, wanted) => assert.deepEqual(actual, wanted));
  scheduler.run(({ cold, expectObservable }) => {
    const source = cold<Fact>('-c-#', { c: CLOCK }, new Error('EPERM'));
    expectObservable(guarded('wire', source, scheduler), '2s !').toBe('-c-f 999ms -c-f 999ms -', {
      c: CLOCK,
      f: failed('EPERM'),
    });
  });
});

test('a source that says nothing, ends, or throws no Error is as harmless', () => {
  const scheduler = new TestScheduler((actual, wanted) => assert.deepEqual(actual, wanted));
  scheduler.run(({ cold, expectObservable }) => {
    expectObservable(guarded('wire', cold<Fact>('---'), scheduler)).toBe('---');
    expectObservable(guarded('wire', cold<Fact>('--|'), scheduler)).toBe('--|');
    expectObservable(guarded('wire', cold<Fact>('#', {}, 'plain'), scheduler), '5ms !').toBe('f', {
      f: failed('plain'),
    });
  });
});

test('a source that fails once a second for hours still speaks in the end', () => {
  const scheduler = new VirtualTimeScheduler(undefined, Number.POSITIVE_INFINITY);
  const failures = 20_000;
  let attempts = 0;
  const late = new Subject<Fact>();
  const source = new Observable<Fact>((subscriber) => {
    attempts += 1;
    if (attempts > failures) return late.subscribe(subscriber);
    subscriber.error(new Error('again'));
    return undefined;
  });
  let facts = 0;
  let last: Fact | null = null;
  const subscription = guarded('wire', source, scheduler).subscribe((fact) => {
    facts += 1;
    last = fact;
  });
  scheduler.flush();
  assert.equal(attempts, failures + 1);
  assert.equal(scheduler.now(), failures * SOURCE_REST_MS);
  late.next(CLOCK);
  assert.deepEqual([facts, last], [failures + 1, CLOCK]);
  subscription.unsubscribe();
  assert.equal(late.observed, false);
});

test('a listener is a stream: subscribed once each, stopped on unsubscribe', () => {
  const listeners = new Set<(value: number) => void>();
  const stream = fromListener<number>((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  });
  const heard: number[] = [];
  const subscription = stream.subscribe((value) => heard.push(value));
  for (const listener of listeners) listener(7);
  subscription.unsubscribe();
  assert.deepEqual([heard, listeners.size], [[7], 0]);
});

test('a source that fails on subscribing, and a listener that throws, are failures like others', () => {
  for (const source of [
    throwError(() => new Error('no')),
    fromListener<Fact>(() => {
      throw new Error('no');
    }),
  ]) {
    const facts: Fact[] = [];
    guarded('wire', concat(of(CLOCK), source, NEVER), new VirtualTimeScheduler()).subscribe((fact) =>
      facts.push(fact),
    );
    assert.deepEqual(facts, [CLOCK, failed('no')]);
  }
});
