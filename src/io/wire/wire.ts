// The wire thread seen from the main thread: starts it, sends it commands, delivers its news, shows it signs of
// life, and ends it on every way out, since a worker that blocks in poll would hang process.exit().
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { Instance } from '../../machines/hello.ts';
import type { Input } from '../../machines/inputs.ts';
import type { WireCommand, WireConfig } from '../../machines/wire-facts.ts';
import type { ClockOrigin } from '../clock.ts';
import { O_CLOEXEC, O_NONBLOCK, pipe, write } from '../native/libc.ts';
import {
  type Advertise,
  type FromWire,
  type HelloSecrets,
  MAIN_ALIVE_AT,
  QUIT,
  type ToWire,
  type WireReport,
  type WireSeen,
  type WireThreadData,
} from './wire-protocol.ts';

export interface WireFact {
  readonly at: number;
  readonly input: Input;
}

export interface Measured {
  readonly converged: readonly number[];
  readonly left: readonly number[];
  readonly helloLateness: readonly number[];
}

export interface WireOptions {
  readonly origin: ClockOrigin;
  readonly now: () => number;
  readonly config: WireConfig;
  readonly instance: Instance;
  readonly hello: HelloSecrets;
  readonly onNotice: (notice: Extract<FromWire, { type: 'notice' }>) => void;
  /** The thread died: nothing answers any more, and the process should end. */
  readonly onDeath: (reason: string) => void;
}

export interface Wire {
  /** Called with each fact, in the order in which the thread read them. Returns how to stop. */
  onFact(listener: (fact: WireFact) => void): () => void;
  onAdvertise(listener: (advertise: readonly Advertise[]) => void): void;
  command(command: WireCommand): void;
  /** New keys: the first signs from now on. */
  setSecrets(hello: HelloSecrets): void;
  /** Called with durations as the thread measured them, milliseconds. */
  onMeasured(listener: (measured: Measured) => void): void;
  /** Hands over, now, what the thread has said and Node has not delivered yet. */
  deliver(): void;
  /** The thread's counters. Rejects when the thread does not answer within a second. */
  report(): Promise<WireReport>;
  /** What it has seen on the wire beside what matters to decisions. Rejects likewise. */
  observe(): Promise<WireSeen>;
  /** Wakes and ends the thread; synchronous, so that an exit handler may call it. */
  stop(): void;
}

const YOUNG_GENERATION_MIB = 8;
/** Signs of life per watchdog period. */
const SIGNS_PER_WATCHDOG = 6;
/** A shut wire thread looks for a sign of life ten times a second. */
const REBIRTH_WITHIN_MS = 1_000;
const REPORT_TIMEOUT_MS = 1_000;

export const startWire = (options: WireOptions): Wire => {
  const { now } = options;
  const [wakeFd, wakeEnd] = pipe(O_NONBLOCK | O_CLOEXEC);
  const alive = new Float64Array(new SharedArrayBuffer(8));
  const flags = new Int32Array(new SharedArrayBuffer(4));
  const { port1: port, port2 } = new MessageChannel();
  const workerData: WireThreadData = {
    origin: options.origin,
    config: options.config,
    instance: options.instance,
    hello: options.hello,
    wakeFd,
    alive,
    flags,
    port: port2,
  };
  const worker = new Worker(new URL('./wire-thread.ts', import.meta.url), {
    workerData,
    transferList: [port2],
    // Frames die young: a small nursery keeps collections short and memory flat in a flood (bench and hostile test).
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
  });

  const factListeners = new Set<(fact: WireFact) => void>();
  const advertiseListeners = new Set<(advertise: readonly Advertise[]) => void>();
  const questions = new Map<number, (answer: WireReport | WireSeen) => void>();
  const measureListeners = new Set<(measured: Measured) => void>();
  let birth = options.instance;
  let nextQuestion = 1;
  let isStopped = false;

  const answer = (id: number, what: WireReport | WireSeen): void => {
    questions.get(id)?.(what);
    questions.delete(id);
  };

  const handle = (message: FromWire): void => {
    switch (message.type) {
      case 'news':
        for (const fact of message.facts) {
          // Commands that the core decides on from here on are meant for the new birth.
          if (fact.input.type === 'wire.reborn') {
            birth = fact.input.instance;
            heldBackUntil = 0;
          }
          for (const listener of factListeners) listener(fact);
        }
        for (const listener of measureListeners) listener(message);
        noticeHang();
        if (message.advertise.length > 0 && now() >= heldBackUntil)
          for (const listener of advertiseListeners) listener(message.advertise);
        return;
      case 'report':
        return answer(message.id, message.report);
      case 'observed':
        return answer(message.id, message.observed);
      case 'notice':
        return options.onNotice(message);
    }
  };
  port.on('message', handle);

  let watchdogMs = options.config.watchdogMs;
  alive[MAIN_ALIVE_AT] = now();
  /**
   * This thread hung past the watchdog: the wire thread has shut, and what it delegated before is an ex-leader's.
   * Nothing is advertised until its new birth is announced, which takes a tenth of a second.
   */
  let heldBackUntil = 0;
  const noticeHang = (): void => {
    if (now() - (alive[MAIN_ALIVE_AT] as number) >= watchdogMs) heldBackUntil = now() + REBIRTH_WITHIN_MS;
  };
  const showLife = (): void => {
    noticeHang();
    alive[MAIN_ALIVE_AT] = now();
  };

  const byte = new Uint8Array(1);
  let isWakeDue = false;
  const wake = (): void => {
    isWakeDue = false;
    write(wakeEnd, byte);
  };
  /** Posts, and wakes the thread once for all that is posted in this turn of the event loop. */
  const post = (message: ToWire): void => {
    if (isStopped) return;
    // Whoever posts lives: a turn that runs before the next regular sign must not be lost on a shut step.
    showLife();
    port.postMessage(message);
    if (isWakeDue) return;
    isWakeDue = true;
    queueMicrotask(wake);
  };

  let signs: NodeJS.Timeout | undefined;
  const keepShowingLife = (period: number): void => {
    clearInterval(signs);
    showLife();
    watchdogMs = period;
    signs = setInterval(showLife, period / SIGNS_PER_WATCHDOG).unref();
  };
  keepShowingLife(options.config.watchdogMs);

  const ask = (type: 'report' | 'observe'): Promise<WireReport | WireSeen> =>
    new Promise((resolve, reject) => {
      const id = nextQuestion;
      nextQuestion += 1;
      const timeout = setTimeout(() => {
        questions.delete(id);
        reject(new Error('the wire thread did not answer within a second'));
      }, REPORT_TIMEOUT_MS);
      questions.set(id, (what) => {
        clearTimeout(timeout);
        resolve(what);
      });
      post({ type, id });
    });

  const stop = (): void => {
    if (isStopped) return;
    isStopped = true;
    clearInterval(signs);
    Atomics.store(flags, QUIT, 1);
    wake();
    port.close();
  };
  process.once('exit', stop);
  worker.on('error', (error) => options.onDeath(`the wire thread died: ${String(error)}`));
  worker.on('exit', () => {
    if (!isStopped) options.onDeath('the wire thread ended by itself');
  });

  return {
    onFact: (listener) => {
      factListeners.add(listener);
      return () => factListeners.delete(listener);
    },
    onAdvertise: (listener) => {
      advertiseListeners.add(listener);
    },
    command: (command) => {
      if (command.type === 'configure') keepShowingLife(command.config.watchdogMs);
      post({ type: 'command', command, birth });
    },
    setSecrets: (hello) => post({ type: 'secrets', hello }),
    onMeasured: (listener) => {
      measureListeners.add(listener);
    },
    deliver: () => {
      for (
        let waiting = receiveMessageOnPort(port);
        waiting !== undefined;
        waiting = receiveMessageOnPort(port)
      ) {
        handle(waiting.message as FromWire);
      }
    },
    report: () => ask('report') as Promise<WireReport>,
    observe: () => ask('observe') as Promise<WireSeen>,
    stop,
  };
};
