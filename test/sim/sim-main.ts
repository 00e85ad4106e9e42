// The main thread of one life of a node: the loop of src/streams/runtime.ts around the real core, in simulated
// time. What waits is stepped in time order in one turn, levels conflated; effects leave once the inbox is
// empty, if the core still wants them. Every input is kept with its effects, so that the life can be replayed.
import { type Core, type CoreCheckpoint, createCore } from '../../src/machines/core.ts';
import type { Effect } from '../../src/machines/effects.ts';
import type { Input, StampedInput } from '../../src/machines/inputs.ts';
import type { RecordedStep } from '../../src/machines/replay.ts';
import { levelKey } from '../../src/streams/facts.ts';
import { type EventQueue, onGrain } from './event-queue.ts';
import type { Latencies } from './latencies.ts';
import type { NodeClock } from './node-clock.ts';

export interface SimMainOptions {
  readonly queue: EventQueue;
  readonly clock: NodeClock;
  readonly latencies: Latencies;
  readonly watchdogMs: number;
  /** How long this turn waits for the journal to have its inputs: 0 unless the disk is late. */
  readonly journalWaitMs: () => number;
  readonly onLife: (at: number) => void;
  /** After the turn's inputs are stepped: the effects that the state still wants, in order. */
  readonly perform: (effects: readonly Effect[]) => void;
  readonly onStep: (at: number, effects: readonly Effect[]) => void;
}

export interface SimMain {
  readonly core: Core;
  readonly from: CoreCheckpoint;
  readonly steps: readonly RecordedStep[];
  tell(input: Input): void;
  tellAll(facts: readonly StampedInput[]): void;
  /** Runs `run` at the next moment when the thread is free, after a turn if one is due. */
  whenFree(run: () => void): void;
  /** It hung past the watchdog, and its new birth is not announced yet: nothing may be advertised. */
  isHeldBack(): boolean;
  /** Busy until then: no turn, no timer, no sign of life. */
  stallUntil(at: number): void;
  pause(): void;
  resume(): void;
  end(): void;
}

/** As in src/io/wire/wire.ts. */
const SIGNS_PER_WATCHDOG = 6;
const REBIRTH_WITHIN_MS = 1_000;

export const createSimMain = (options: SimMainOptions): SimMain => {
  const { queue, clock, latencies } = options;
  const core = createCore();
  const from = core.checkpoint();
  const steps: RecordedStep[] = [];
  let waiting: StampedInput[] = [];
  let isPaused = false;
  let isEnded = false;
  let stalledUntil = 0;
  let isTurnDue = false;
  let alarmAt = Number.POSITIVE_INFINITY;
  let missedSign = false;
  let lastSignAt = clock.now();
  let heldBackUntil = 0;
  /** This turn has waited for the journal already. */
  let hasWaited = false;

  const whenFree: (() => void)[] = [];

  const isHeld = (): boolean => isPaused || queue.now() < stalledUntil;

  const askTurn = (delayMs = latencies.mainTurn()): void => {
    if (isTurnDue) return;
    isTurnDue = true;
    queue.at(Math.max(queue.now() + delayMs, stalledUntil), runTurn);
  };

  const takeBatch = (): readonly StampedInput[] => {
    const batch: StampedInput[] = [];
    const places = new Map<string, number>();
    for (const fact of waiting) {
      const key = levelKey(fact);
      const place = key === null ? undefined : places.get(key);
      if (place !== undefined) {
        batch[place] = fact;
        continue;
      }
      if (key !== null) places.set(key, batch.length);
      batch.push(fact);
    }
    waiting = [];
    return batch.sort((a, b) => a.at - b.at);
  };

  const runTurn = (): void => {
    isTurnDue = false;
    if (isEnded) return;
    if (isHeld()) {
      // A paused process asks again when it resumes.
      if (!isPaused) askTurn(0);
      return;
    }
    const waitMs = waiting.length === 0 || hasWaited ? 0 : options.journalWaitMs();
    hasWaited = waitMs > 0;
    if (hasWaited) {
      // As Atomics.wait: the thread does nothing else meanwhile (src/io/journal/journal.ts).
      stalledUntil = Math.max(stalledUntil, onGrain(queue.now() + waitMs));
      return askTurn(0);
    }
    const batch = takeBatch();
    noticeHang();
    // Whoever performs something posts, and whoever posts lives (src/io/wire/wire.ts).
    lastSignAt = clock.now();
    if (batch.some(({ input }) => input.type === 'wire.reborn')) heldBackUntil = 0;
    if (batch.length > 0) stepBatch(batch);
    for (const run of whenFree.splice(0)) run();
  };

  const stepBatch = (batch: readonly StampedInput[]): void => {
    const led: Effect[] = [];
    let least = core.now();
    for (const { at, input } of batch) {
      least = Math.max(least, at);
      const effects = core.step(least, input);
      steps.push({ at: least, input, effects });
      if (effects.length === 0) continue;
      options.onStep(least, effects);
      led.push(...effects);
    }
    const wanted = led.filter(core.wants);
    if (wanted.length > 0) options.perform(wanted);
    setAlarm();
  };

  const ring = (when: number): void => {
    if (alarmAt !== when || isEnded) return;
    if (isPaused) return;
    if (queue.now() < stalledUntil) return queue.at(stalledUntil, () => ring(when));
    alarmAt = Number.POSITIVE_INFINITY;
    waiting.push({ at: clock.now(), input: { type: 'clock' } });
    askTurn(0);
  };

  const setAlarm = (): void => {
    const deadline = core.nextDeadline();
    if (deadline === null) return;
    const when = Math.max(clock.toSimulated(deadline), queue.now());
    // An earlier alarm that is not wanted any more costs one turn with nothing due, and is set again there.
    if (when >= alarmAt) return;
    alarmAt = when;
    queue.at(when + latencies.mainTimer(), () => ring(when));
  };

  const noticeHang = (): void => {
    const now = clock.now();
    if (now - lastSignAt >= options.watchdogMs) heldBackUntil = now + REBIRTH_WITHIN_MS;
  };

  const showLife = (): void => {
    missedSign = isHeld();
    if (missedSign) return;
    noticeHang();
    lastSignAt = clock.now();
    options.onLife(lastSignAt);
  };
  const periodMs = options.watchdogMs / SIGNS_PER_WATCHDOG;
  const signs = (): void => {
    if (isEnded) return;
    showLife();
    queue.after(periodMs, signs);
  };
  signs();

  return {
    core,
    from,
    steps,
    tell: (input) => {
      waiting.push({ at: clock.now(), input });
      askTurn();
    },
    tellAll: (facts) => {
      waiting.push(...facts);
      askTurn();
    },
    whenFree: (run) => {
      whenFree.push(run);
      askTurn();
    },
    isHeldBack: () => clock.now() < heldBackUntil,
    stallUntil: (at) => {
      stalledUntil = Math.max(stalledUntil, onGrain(at));
      queue.at(stalledUntil + latencies.signAfterStall(), () => {
        if (missedSign && !isEnded) showLife();
      });
    },
    pause: () => {
      isPaused = true;
    },
    resume: () => {
      isPaused = false;
      if (missedSign) showLife();
      alarmAt = Number.POSITIVE_INFINITY;
      setAlarm();
      if (waiting.length > 0 || whenFree.length > 0) askTurn();
    },
    end: () => {
      isEnded = true;
    },
  };
};
