// Two cores through one record: the one that was, and one with another configuration or of another build. What a
// host confirmed came of effects; where the other core asks for something at another time, the host's answer is
// made up at the pace at which it answered then. Everything else is taken as recorded.
import type { Core } from './core.ts';
import type { Effect } from './effects.ts';
import type { Ip } from './frames.ts';
import type { Input } from './inputs.ts';
import type { ServiceIpState } from './service-ip.ts';

/** One transition of one side. `at` is exact: both sides are stepped at each of their own deadlines. */
export interface Transition {
  readonly at: number;
  readonly ip: Ip;
  readonly from: ServiceIpState;
  readonly to: ServiceIpState;
  readonly epoch: number;
  readonly cause: string;
  readonly reason: string;
  /** The input at or before which it came. */
  readonly ref: string;
}

export interface SideBySide {
  readonly was: readonly Transition[];
  readonly now: readonly Transition[];
  /** Answers of the host that the record does not hold. */
  readonly madeUp: number;
  /** `ref` names the input for people, `file:line`. Returns whether both sides did exactly the same. */
  input(ref: string, at: number, input: Input): boolean;
}

export interface Sides {
  readonly was: Core;
  /** Of this build or another; `step`, `nextDeadline` and `wants` are all that is used. */
  readonly now: Pick<Core, 'step' | 'nextDeadline' | 'wants'>;
  /** What the other core is told instead of a recorded input. */
  readonly translate: (input: Input) => Input;
}

/** Until the record has shown how long the host takes to confirm an address. */
const CONFIRM_MS = 2;
const CLOCK: Input = { type: 'clock' };

/** When each side asked the host last, by what was asked: `add 10.0.0.1`. */
type Asked = Map<string, number>;
const keyOf = (effect: Effect): string | null => {
  if (effect.type === 'address.add') return `add ${effect.ip}`;
  return effect.type === 'probe' ? `probe ${effect.ip}` : null;
};

/** An input at its time. */
interface MadeUp {
  readonly at: number;
  readonly input: Input;
}

/** How the made-up host answers. */
const answerTo = (effect: Effect, at: number, confirmMs: number): MadeUp | null => {
  if (effect.type === 'address.add')
    return { at: at + confirmMs, input: { type: 'addresses.confirmed', ips: [effect.ip] } };
  if (effect.type !== 'probe') return null;
  const input: Input = { type: 'addresses.probed', ips: [effect.ip] };
  return { at: at + effect.delayMs + effect.durationMs, input };
};

export const createSideBySide = ({ was, now, translate }: Sides): SideBySide => {
  const transitions: { readonly was: Transition[]; readonly now: Transition[] } = { was: [], now: [] };
  const asked: { readonly was: Asked; readonly now: Asked } = { was: new Map(), now: new Map() };
  const waiting: MadeUp[] = [];
  let confirmMs = CONFIRM_MS;
  let madeUp = 0;

  const note = (side: 'was' | 'now', ref: string, at: number, effects: readonly Effect[]): void => {
    for (const effect of effects) {
      const key = keyOf(effect);
      if (key !== null) asked[side].set(key, at);
      if (effect.type !== 'record') continue;
      const { type: _, ...record } = effect;
      transitions[side].push({ at, ...record, ref });
    }
  };

  /**
   * Steps one core at each of its deadlines before `at`, as a live node wakes up for them, and at each answer of the
   * made-up host; then at `at` itself.
   */
  const drive = (
    core: Sides['now'],
    answers: MadeUp[],
    { at, input }: MadeUp,
    on: (at: number, led: Effect[]) => void,
  ): void => {
    for (;;) {
      const due = core.nextDeadline() ?? Number.POSITIVE_INFINITY;
      const [answer] = answers;
      if (answer !== undefined && answer.at <= at && answer.at <= due) {
        answers.shift();
        madeUp += 1;
        on(answer.at, core.step(answer.at, answer.input));
      } else if (due < at) on(due, core.step(due, CLOCK));
      else break;
    }
    on(at, core.step(at, input));
  };

  const matches = (key: string): boolean => asked.was.get(key) === asked.now.get(key);

  /** The part of the host's recorded answer that answers the other core as well. */
  const heardByOther = (input: Input): Input => {
    if (input.type === 'addresses.confirmed')
      return { ...input, ips: input.ips.filter((ip) => matches(`add ${ip}`)) };
    if (input.type === 'addresses.probed')
      return { ...input, ips: input.ips.filter((ip) => matches(`probe ${ip}`)) };
    if (input.type === 'address.failed' && !matches(`add ${input.ip}`)) return CLOCK;
    return input;
  };

  const learnPace = (at: number, input: Input): void => {
    if (input.type !== 'addresses.confirmed') return;
    const askedAt = asked.was.get(`add ${input.ips[0] ?? ''}`);
    if (askedAt !== undefined) confirmMs = Math.max(0, at - askedAt);
  };

  return {
    was: transitions.was,
    now: transitions.now,
    get madeUp() {
      return madeUp;
    },
    input: (ref, at, input) => {
      const led: { was: Effect[]; now: Effect[] } = { was: [], now: [] };
      drive(was, [], { at, input }, (when, effects) => {
        note('was', ref, when, effects);
        led.was.push(...effects);
      });
      learnPace(at, input);
      const onNow = (when: number, effects: Effect[]): void => {
        note('now', ref, when, effects);
        led.now.push(...effects);
        for (const effect of effects) {
          const key = keyOf(effect);
          if (key === null || matches(key) || !now.wants(effect)) continue;
          const answer = answerTo(effect, when, confirmMs);
          if (answer !== null) waiting.push(answer);
        }
        waiting.sort((a, b) => a.at - b.at);
      };
      drive(now, waiting, { at, input: heardByOther(translate(input)) }, onNow);
      return JSON.stringify(led.was) === JSON.stringify(led.now);
    },
  };
};
