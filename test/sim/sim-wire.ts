// The wire thread of one life of a node: the loop of src/io/wire/wire-thread.ts around the real wire step.
// Commands before links before frames, then the clock; facts are stamped when read. It also keeps which IPs are
// answered for, from what the step was told and what it reported, for the checkers.
import type { Ip, Mac } from '../../src/machines/frames.ts';
import type { InterfaceFact, StampedInput } from '../../src/machines/inputs.ts';
import type { WireCommand, WireConfig, WireEvent, WireOutput } from '../../src/machines/wire-facts.ts';
import { createWireStep, type WireStep } from '../../src/machines/wire-step.ts';
import { type EventQueue, onGrain } from './event-queue.ts';
import type { Latencies } from './latencies.ts';
import type { NodeClock } from './node-clock.ts';
import { addressed, type WireFrame } from './sim-frames.ts';

export type Advertise = Extract<WireOutput, { readonly type: 'advertise' }>;

export interface SimWireOptions {
  readonly queue: EventQueue;
  readonly clock: NodeClock;
  readonly config: WireConfig;
  readonly instance: string;
  /** A fresh instance for a new birth. */
  readonly drawInstance: () => string;
  readonly latencies: Latencies;
  /** Frames the packet socket holds while nobody reads; when it is full the oldest stay (facts.md). */
  readonly bufferFrames: number;
  readonly onSend: (interfaceName: string, frame: WireFrame) => void;
  readonly onFacts: (facts: readonly StampedInput[], advertise: readonly Advertise[]) => void;
  readonly onAnswer: (ip: Ip, isAnswering: boolean) => void;
}

export interface SimWire {
  readonly step: WireStep;
  readonly answering: ReadonlySet<Ip>;
  /** The packet socket holds as much as it can, since nobody reads. */
  isFull(): boolean;
  hear(interfaceName: string, frame: WireFrame): void;
  /** A packet came in for an IP: seen if it drains here, when the thread looks next. */
  seeCarried(interfaceName: string, ip: Ip, from: { readonly mac: Mac; readonly source: Ip }): void;
  /** `birth`: the instance that the main thread knows of. */
  command(command: WireCommand, birth: string): void;
  link(fact: InterfaceFact): void;
  /** The shared memory in which the main thread leaves its sign of life; read when the thread wakes. */
  showLife(at: number): void;
  /** When that sign was last left, logical milliseconds. */
  aliveAt(): number;
  /** Not scheduled for this long: frames wait. */
  lag(milliseconds: number): void;
  pause(): void;
  resume(): void;
  /** The process is gone. */
  end(): void;
}

/** As in src/io/wire/wire-thread.ts. */
const OVERSLEPT_MS = 20;
/** As in src/io/wire/carried-watch.ts. */
const LOOK_EVERY_MS = 50;

export const createSimWire = (options: SimWireOptions): SimWire => {
  const { queue, clock, latencies } = options;
  const step: WireStep = createWireStep(options.config, options.instance);
  const answering = new Set<Ip>();
  const frames: { readonly name: string; readonly frame: WireFrame }[] = [];
  const commands: { readonly command: WireCommand; readonly birth: string }[] = [];
  const links = new Map<string, InterfaceFact>();
  let aliveAt = clock.now();
  /** Who sent to a draining IP since the last look, by `mac ip`. */
  const carried = new Map<string, Extract<WireEvent, { type: 'carried' }>>();
  let heardAliveAt = 0;
  let isBirthDue = false;
  let lastRunAt = clock.now();
  let isPaused = false;
  let isEnded = false;
  let laggedUntil = 0;
  let alarmAt = Number.POSITIVE_INFINITY;
  /** The step's deadline after the last event that it took. */
  let wanted = step.nextDeadline();
  let commandsReadyAt = 0;

  const setAnswering = (ip: Ip, isOn: boolean): void => {
    if (answering.has(ip) === isOn) return;
    if (isOn) answering.add(ip);
    else answering.delete(ip);
    options.onAnswer(ip, isOn);
  };

  const emit = (at: number, outputs: readonly WireOutput[]): void => {
    if (outputs.length === 0) return;
    const facts: StampedInput[] = [];
    const advertise: Advertise[] = [];
    for (const output of outputs) {
      if (output.type === 'send') options.onSend(output.interface, addressed(output.frame));
      else if (output.type === 'advertise') advertise.push(output);
      else if (output.type === 'fact') facts.push({ at, input: output.input });
      else if (output.type === 'rebirth') isBirthDue = true;
      else if (output.type === 'look.back') lookBack();
    }
    if (facts.length > 0 || advertise.length > 0) options.onFacts(facts, advertise);
    if (!isBirthDue) return;
    isBirthDue = false;
    frames.length = 0;
    emit(at, step.step(at, { type: 'born', instance: options.drawInstance() }));
  };

  const lookBack = (): void => {
    const queued = frames.splice(0);
    for (const { name, frame } of queued) {
      const at = clock.now();
      emit(at, step.step(at, { type: 'frame', interface: name, frame }));
    }
    emit(clock.now(), step.step(clock.now(), { type: 'looked.back', frames: queued.length }));
  };

  /** Whatever shut entries by itself (watchdog, a better claim heard): the step's own table is the truth. */
  const followTable = (): void => {
    if (step.answering() === answering.size) return;
    for (const ip of [...answering]) if (!step.isAnswering(ip)) setAnswering(ip, false);
  };

  const readCommands = (): void => {
    for (const { command, birth } of commands.splice(0)) {
      emit(clock.now(), step.step(clock.now(), { type: 'command', command, birth }));
      if (command.type === 'answer.stop') setAnswering(command.ip, false);
      if (command.type === 'answer.start') setAnswering(command.ip, step.isAnswering(command.ip));
    }
  };

  const readLinks = (): void => {
    for (const fact of [...links.values()]) {
      links.delete(fact.name);
      emit(clock.now(), step.step(clock.now(), { type: 'link.changed', interface: fact }));
    }
  };

  /** One turn of the thread's loop. */
  const wake = (): void => {
    if (isPaused || isEnded || queue.now() < laggedUntil) return;
    const woke = clock.now();
    const lateMs = woke - Math.max(lastRunAt, wanted ?? woke);
    lastRunAt = woke;
    if (lateMs >= OVERSLEPT_MS) emit(woke, step.step(woke, { type: 'overslept', byMs: lateMs }));
    if (aliveAt !== heardAliveAt) {
      heardAliveAt = aliveAt;
      emit(clock.now(), step.step(clock.now(), { type: 'main.alive', at: aliveAt }));
    }
    if (commands.length > 0 && commandsReadyAt <= queue.now()) readCommands();
    if (links.size > 0) readLinks();
    if (frames.length > 0) {
      for (const { name, frame } of frames.splice(0)) {
        const at = clock.now();
        emit(at, step.step(at, { type: 'frame', interface: name, frame }));
      }
    }
    wanted = step.nextDeadline();
    if (wanted !== null && wanted <= clock.now()) {
      emit(clock.now(), step.step(clock.now(), { type: 'clock' }));
      wanted = step.nextDeadline();
    }
    followTable();
    setAlarm();
  };

  const setAlarm = (): void => {
    if (wanted === null) return;
    const when = Math.max(clock.toSimulated(wanted), queue.now());
    if (when >= alarmAt) return;
    const at = when + latencies.wireTimer();
    alarmAt = when;
    queue.at(at, () => {
      if (alarmAt !== when || isEnded) return;
      alarmAt = Number.POSITIVE_INFINITY;
      wake();
    });
  };

  const lookForCarried = (): void => {
    if (isEnded) return;
    const seen = [...carried.values()];
    carried.clear();
    if (isPaused || queue.now() < laggedUntil) return;
    for (const event of seen) emit(clock.now(), step.step(clock.now(), event));
    wanted = step.nextDeadline();
    setAlarm();
  };

  return {
    step,
    answering,
    seeCarried: (name, ip, from) => {
      if (isEnded || !step.carried().get(name)?.includes(ip)) return;
      if (carried.size === 0) queue.after(LOOK_EVERY_MS, lookForCarried);
      carried.set(`${from.mac} ${ip}`, { type: 'carried', interface: name, ip, from });
    },
    isFull: () => frames.length >= options.bufferFrames,
    hear: (name, frame) => {
      if (isEnded || frames.length >= options.bufferFrames) return;
      frames.push({ name, frame });
      wake();
    },
    command: (command, birth) => {
      commands.push({ command, birth });
      if (commands.length > 1) return;
      commandsReadyAt = onGrain(queue.now() + latencies.command());
      queue.at(commandsReadyAt, wake);
    },
    link: (fact) => {
      links.set(fact.name, fact);
      wake();
    },
    showLife: (at) => {
      aliveAt = at;
    },
    aliveAt: () => aliveAt,
    lag: (milliseconds) => {
      laggedUntil = Math.max(laggedUntil, onGrain(queue.now() + milliseconds));
      queue.at(laggedUntil, wake);
    },
    pause: () => {
      isPaused = true;
    },
    resume: () => {
      isPaused = false;
      alarmAt = Number.POSITIVE_INFINITY;
      wake();
    },
    end: () => {
      isEnded = true;
      for (const ip of [...answering]) setAnswering(ip, false);
    },
  };
};
