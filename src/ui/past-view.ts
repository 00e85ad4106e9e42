// The past: journals opened from disk, laid over each other as a timeline, and stepped again by the real machines to
// any moment of it. Nothing of them leaves the browser.
import { computed, signal } from '@preact/signals';
import { type ComponentChildren, h } from 'preact';
import type { Lane, Ownership } from '../machines/ownership.ts';
import { lanesOf, type Span, wholeSpan } from './bands.ts';
import { DiagramView } from './diagram-view.ts';
import { readSegment, type Segment } from './journal-file.ts';
import { pathOf } from './lighting.ts';
import {
  createScrubber,
  livesOf,
  ownershipOfLives,
  type PastLife,
  replayLife,
  type Scrubber,
  type Verdict,
} from './past.ts';
import { TimelineView } from './timeline-view.ts';
import { moment } from './words.ts';

/** What is read at once: some hundred thousand inputs, which a browser steps in seconds. */
const MAX_BYTES = 64 * 1_048_576;

interface OpenLife {
  readonly life: PastLife;
  readonly lane: Lane;
  readonly verdict: Verdict;
  readonly scrubber: Scrubber;
}

interface Past {
  readonly ownership: Ownership;
  readonly lives: readonly OpenLife[];
  readonly whole: Span;
}

const past = signal<Past | null>(null);
const said = signal('');
const sight = signal<Span>({ from: 0, to: 1 });
const at = signal(0);
const chosenIp = signal<string | null>(null);
const chosenNode = signal<string | null>(null);
const filter = signal('');
const lanes = computed(() => (past.value === null ? [] : lanesOf(past.value.ownership)));
/** Every moment at which an IP changed its state, in the reference's time: what the buttons step over. */
const moments = computed(() => {
  const all = (past.value?.lives ?? []).flatMap(({ lane }) =>
    lane.life.transitions.map((transition) => lane.clock.toCommon(transition.at)),
  );
  return [...new Set(all)].sort((a, b) => a - b);
});

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
  chosenIp.value = lanes.value[0]?.ip ?? null;
  chosenNode.value = null;
};

const open = async (files: readonly File[]): Promise<void> => {
  if (files.length === 0) return;
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (bytes > MAX_BYTES) {
    const mib = Math.round(bytes / 1_048_576);
    said.value = `${mib} MiB are more than the 64 MiB that a browser should step: use holdfast timeline and replay`;
    return;
  }
  said.value = 'reading …';
  const read = await Promise.all(files.map(async (file) => readSegment(file.name, await file.text())));
  const segments = read.filter((segment): segment is Segment => typeof segment !== 'string');
  said.value = read.filter((problem): problem is string => typeof problem === 'string').join('; ');
  if (segments.length === 0) return;
  try {
    layPast(segments);
  } catch (error) {
    said.value = `these journals cannot be understood: ${(error as Error).message}`;
  }
};

const verdictText = ({ inputs, transitions, differsAt }: Verdict): string =>
  differsAt === null
    ? `${inputs} inputs replayed here, ${transitions} transitions: identical`
    : `replayed here, it differs at ${differsAt}`;

const Opener = (): ComponentChildren =>
  h(
    'div',
    { class: 'tools' },
    h(
      'label',
      null,
      'Journal segments (*.ndjson), of one node or several: ',
      h('input', {
        type: 'file',
        multiple: true,
        accept: '.ndjson',
        onChange: (event: Event) => {
          void open([...((event.currentTarget as HTMLInputElement).files ?? [])]);
        },
      }),
    ),
    said.value === '' ? null : h('p', { class: 'problem', role: 'status' }, said.value),
  );

const stepTo = (direction: 1 | -1): void => {
  const next =
    direction === 1
      ? moments.value.find((when) => when > at.value)
      : moments.value.findLast((when) => when < at.value);
  if (next === undefined || past.value === null) return;
  at.value = next;
  const { from, to } = sight.value;
  if (next < from || next > to) sight.value = past.value.whole;
};

const Scrub = ({ whole }: { readonly whole: Span }): ComponentChildren =>
  h(
    'div',
    { class: 'tools' },
    h('button', { type: 'button', onClick: () => stepTo(-1) }, 'transition before'),
    h('button', { type: 'button', onClick: () => stepTo(1) }, 'next transition'),
    h('input', {
      type: 'range',
      class: 'scrub',
      'aria-label': 'Moment of the replay',
      'aria-valuetext': moment(at.value),
      min: whole.from,
      max: whole.to,
      step: 'any',
      value: at.value,
      onInput: (event: Event) => {
        at.value = (event.currentTarget as HTMLInputElement).valueAsNumber;
      },
    }),
    h('output', { class: 'clock' }, `${moment(at.value)} UTC`),
  );

/** Why a node says nothing of the IP at the moment. */
const absence = ({ from, to, ending }: Lane): string => {
  if (at.value < from) return `its record begins ${moment(from)}`;
  if (at.value <= to) return 'does not know it';
  return ending === 'exit' ? `had exited ${moment(to)}` : `its record ends ${moment(to)}`;
};

/** One node's state and its own word on the IP, by its own core stepped again to the moment. */
const seenBy = ({ life, lane, scrubber, verdict }: OpenLife, ip: string) => {
  const core = at.value > lane.to + 1 ? null : scrubber.to(lane.clock.fromCommon(at.value));
  return { life, lane, verdict, service: core?.service(ip) ?? null, taking: core?.taking(ip) ?? null };
};
type Seen = ReturnType<typeof seenBy>;

const NodeThen = ({
  seen,
  isShown,
}: {
  readonly seen: Seen;
  readonly isShown: boolean;
}): ComponentChildren => {
  const { life, lane, service, taking, verdict } = seen;
  const choose = (): void => {
    chosenNode.value = life.node;
  };
  return h(
    'li',
    null,
    h(
      'button',
      { type: 'button', class: isShown ? 'chosen' : '', 'aria-pressed': isShown, onClick: choose },
      life.node,
    ),
    service === null
      ? h('span', { class: 'badge' }, absence(lane))
      : h('span', { class: `badge ${service.state}` }, service.state),
    taking === null ? null : h('p', null, `${life.node} ${taking.verdict}.`),
    h('p', { class: 'where' }, verdictText(verdict)),
  );
};

const Nodes = ({
  lives,
  ip,
}: {
  readonly lives: readonly OpenLife[];
  readonly ip: string;
}): ComponentChildren => {
  const views = lives.map((life) => seenBy(life, ip));
  // Until somebody chooses: a node that ran then.
  const shown =
    views.find(({ life }) => life.node === chosenNode.value) ??
    views.find(({ service }) => service !== null) ??
    views[0];
  if (shown === undefined) return null;
  const { lane, service } = shown;
  const moves = lane.life.transitions.filter(
    (move) => move.ip === ip && lane.clock.toCommon(move.at) <= at.value,
  );
  return h(
    'div',
    { class: 'columns' },
    h(
      'div',
      null,
      h('h2', null, `${ip}, as each node had it`),
      h(
        'ul',
        { class: 'past-nodes' },
        views.map((seen) =>
          h(NodeThen, { key: `${seen.life.node} ${seen.life.instance}`, seen, isShown: seen === shown }),
        ),
      ),
    ),
    service === null
      ? null
      : h(DiagramView, {
          key: `${shown.life.instance} ${ip}`,
          path: pathOf(service.state, service.substate),
          moves,
        }),
  );
};

const Opened = ({ opened }: { readonly opened: Past }): ComponentChildren => {
  const words = filter.value.trim().toLowerCase();
  return [
    h('input', {
      key: 'filter',
      type: 'search',
      class: 'filter',
      placeholder: 'filter: 10.99.',
      'aria-label': 'Show only lanes of IPs that contain this',
      value: filter.value,
      onInput: (event: Event) => {
        filter.value = (event.currentTarget as HTMLInputElement).value;
      },
    }),
    h(TimelineView, {
      key: 'timeline',
      lanes: lanes.value.filter(({ ip }) => ip.includes(words)),
      nodes: [...new Set(opened.lives.map(({ life }) => life.node))],
      whole: opened.whole,
      sight: sight.value,
      at: at.value,
      chosen: chosenIp.value,
      onSight: (span) => {
        sight.value = span;
      },
      onAt: (when) => {
        at.value = when;
      },
      onChoose: (ip) => {
        chosenIp.value = ip;
      },
    }),
    h(Scrub, { key: 'scrub', whole: opened.whole }),
    chosenIp.value === null ? null : h(Nodes, { key: 'nodes', lives: opened.lives, ip: chosenIp.value }),
  ];
};

/** What was laid last; nothing before. */
export const OpenedPast = (): ComponentChildren =>
  past.value === null ? null : h(Opened, { opened: past.value });

const NOTHING =
  'What a journal tells is shown here; nothing of it leaves this browser. Its hashes are not checked: holdfast replay does that.';

export const PastView = (): ComponentChildren =>
  h(
    'div',
    null,
    h('h1', null, 'Past'),
    h(Opener, null),
    past.value === null ? h('p', { class: 'empty' }, NOTHING) : h(OpenedPast, null),
  );
