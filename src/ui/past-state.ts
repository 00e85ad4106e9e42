// What of the past is open: journals from disk or the node's own, laid over each other, and the moment that is looked
// at. Nothing of them leaves the browser.
import { computed, signal } from '@preact/signals';
import type { Lane, Ownership } from '../machines/ownership.ts';
import { type LaneBands, lanesOf, nodeLanesOf, type Span, showing, wholeSpan } from './bands.ts';
import { readSegment, type Segment } from './journal-file.ts';
import {
  createScrubber,
  livesOf,
  ownershipOfLives,
  type PastLife,
  replayLife,
  type Scrubber,
  type Verdict,
} from './past.ts';

/** What is read at once: some hundred thousand inputs, which a browser steps in seconds. */
const MAX_BYTES = 64 * 1_048_576;

export interface OpenLife {
  readonly life: PastLife;
  readonly lane: Lane;
  readonly verdict: Verdict;
  readonly scrubber: Scrubber;
}

export interface Past {
  readonly ownership: Ownership;
  readonly lives: readonly OpenLife[];
  readonly whole: Span;
}

export const past = signal<Past | null>(null);
/** What went wrong, or goes on. */
export const said = signal('');
export const sight = signal<Span>({ from: 0, to: 1 });
export const at = signal(0);
export const chosenIp = signal<string | null>(null);
export const chosenNode = signal<string | null>(null);
export const filter = signal('');
export const isByNode = signal(false);
/** The band that was pointed at, or stepped to. */
export const detail = signal('');

const allLanes = computed((): readonly LaneBands[] => {
  if (past.value === null) return [];
  return isByNode.value ? nodeLanesOf(past.value.ownership) : lanesOf(past.value.ownership);
});
export const lanes = computed(() => {
  const words = filter.value.trim().toLowerCase();
  return allLanes.value.filter(({ name }) => name.includes(words));
});
/** Every moment at which an IP changed its state, in the reference's time: what the buttons step over. */
const moments = computed(() => {
  const all = (past.value?.lives ?? []).flatMap(({ lane }) =>
    lane.life.transitions.map((transition) => lane.clock.toCommon(transition.at)),
  );
  return [...new Set(all)].sort((a, b) => a - b);
});

export interface TimedInput {
  /** In the reference's time. */
  readonly at: number;
  readonly node: string;
  readonly type: string;
  /** `FILE:LINE`. */
  readonly ref: string;
}

/** Of one moment; a turn of the daemon may have had hundreds. */
const MAX_NAMED_INPUTS = 5;

/** Every input of every life, in order. */
const inputs = computed((): readonly TimedInput[] =>
  (past.value?.lives ?? [])
    .flatMap(({ life, lane }) =>
      life.segments.flatMap(({ file, steps }) =>
        steps.map(({ at: own, input, line }) => ({
          at: lane.clock.toCommon(own),
          node: life.node,
          type: input.type,
          ref: `${file}:${line}`,
        })),
      ),
    )
    .sort((a, b) => a.at - b.at),
);

/** The index of the first input after `when`, or (`isAtToo`) at it; by halving, since there may be 100,000s. */
const firstAfter = (all: readonly TimedInput[], when: number, isAtToo = false): number => {
  let [low, high] = [0, all.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const found = all[middle]?.at ?? 0;
    if (found > when || (isAtToo && found === when)) high = middle;
    else low = middle + 1;
  }
  return low;
};

/** Lays them over each other and replays each. Throws what the machines throw at records that are none. */
export const layPast = (segments: readonly Segment[]): void => {
  const lives = livesOf(segments).toSorted((a, b) => (a.node < b.node ? -1 : 1));
  const ownership = ownershipOfLives(lives);
  const whole = wholeSpan(ownership);
  const opened = lives.flatMap((life): OpenLife[] => {
    const lane = ownership.lanes.find(
      ({ life: { node, instance } }) => node === life.node && instance === life.instance,
    );
    if (lane === undefined) return [];
    return [{ life, lane, verdict: replayLife(life), scrubber: createScrubber(life) }];
  });
  past.value = { ownership, lives: opened, whole };
  sight.value = whole;
  at.value = whole.to;
  chosenIp.value = lanesOf(ownership)[0]?.ip ?? null;
  chosenNode.value = null;
  detail.value = '';
};

/** `note` stands beside what went wrong with single segments. */
const layRead = (read: readonly (Segment | string)[], note: string): void => {
  const segments = read.filter((segment): segment is Segment => typeof segment !== 'string');
  const problems = read.filter((problem): problem is string => typeof problem === 'string');
  said.value = [...problems, ...(note === '' ? [] : [note])].join('; ');
  if (segments.length === 0) return;
  try {
    layPast(segments);
  } catch (error) {
    said.value = `these journals cannot be understood: ${(error as Error).message}`;
  }
};

export const openFiles = async (files: readonly File[]): Promise<void> => {
  if (files.length === 0) return;
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (bytes > MAX_BYTES) {
    const mib = Math.round(bytes / 1_048_576);
    said.value = `${mib} MiB are more than the 64 MiB that a browser should step: use holdfast timeline and replay`;
    return;
  }
  said.value = 'reading …';
  layRead(await Promise.all(files.map(async (file) => readSegment(file.name, await file.text()))), '');
};

interface Listed {
  readonly name: string;
  readonly bytes: number;
}

/** The newest that a browser should step together, oldest first. */
const newest = (segments: readonly Listed[]): readonly Listed[] => {
  const taken: Listed[] = [];
  let bytes = 0;
  for (const segment of segments.toReversed()) {
    bytes += segment.bytes;
    if (bytes > MAX_BYTES) break;
    taken.unshift(segment);
  }
  return taken;
};

const fetched = async (path: string): Promise<Response> => {
  const reply = await fetch(path, { cache: 'no-store' });
  if (reply.ok) return reply;
  const { error } = (await reply.json()) as { error?: string };
  throw new Error(error ?? `the daemon refuses (${reply.status})`);
};

/** The journal of the node that serves this page, as far as it is written by now. */
export const openOwn = async (): Promise<void> => {
  said.value = 'reading the journal of this node …';
  try {
    const { segments } = (await (await fetched('/api/v1/journal')).json()) as { segments: readonly Listed[] };
    const wanted = newest(segments);
    const read: (Segment | string)[] = [];
    // One after the other: the node gives to two readers at once, and others may be among them.
    for (const { name } of wanted)
      read.push(
        readSegment(name, await (await fetched(`/api/v1/journal/${encodeURIComponent(name)}`)).text()),
      );
    const left = segments.length - wanted.length;
    layRead(read, left === 0 ? '' : `${left} older segments are left out: more than 64 MiB in all`);
    if (segments.length === 0) said.value = 'this node has no journal yet';
  } catch (error) {
    said.value = `the journal of this node cannot be read: ${(error as Error).message}`;
  }
};

/** Goes to a moment, and shows it. */
export const goTo = (when: number): void => {
  at.value = when;
  if (past.value !== null) sight.value = showing(sight.value, past.value.whole, when);
};

/** To the next transition of any node, or the one before. */
export const stepTo = (direction: 1 | -1): void => {
  const next =
    direction === 1
      ? moments.value.find((when) => when > at.value)
      : moments.value.findLast((when) => when < at.value);
  if (next !== undefined) goTo(next);
};

/** To the next input of any node, or the one before. */
export const stepInput = (direction: 1 | -1): void => {
  const all = inputs.value;
  // Those of one moment are one step: between them there is nothing that could be shown.
  const next = direction === 1 ? all[firstAfter(all, at.value)] : all[firstAfter(all, at.value, true) - 1];
  if (next !== undefined) goTo(next.at);
};

/** The inputs of the moment that is looked at. */
export const inputsNow = computed((): readonly TimedInput[] => {
  const all = inputs.value;
  return all.slice(firstAfter(all, at.value, true), firstAfter(all, at.value)).slice(0, MAX_NAMED_INPUTS);
});
