// `npm run bench:drain`: planned moves under ten long TCP connections and a stream of datagrams a client, by holdfast
// (prompt, patient), by keepalived and by two plain hosts; and how clients with a bug are carried. Prints two tables.
// Usage: drain.ts [--runs N] [--scale S] [--only NAME]... [--json]
//   --scale: of all times that a move takes (connections of 5–60 s, drain.window 2 min, drain.quiet 10 s, ageing)
import { parseArgs } from 'node:util';
import { enclose } from '../src/cli/lab/enclosure.ts';
import type { Host } from '../src/cli/lab/host.ts';
import { crowdedNote, refusedNeighbours } from '../src/cli/lab/neighbour-tables.ts';
import { missingTools } from '../src/cli/lab/tools.ts';
import { type BuggyLine, createBuggyStage, KINDS, TRAFFIC } from './drain-buggy.ts';
import { type DrainLine, type Mover, playMove, RefusedError } from './drain-load.ts';
import { holdfastMover, keepalivedMover, plainMover } from './drain-movers.ts';
import { markdown, quantile } from './statistics.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    scale: { type: 'string', default: '0.1' },
    only: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  },
});
const runs = Number(values.runs);
const scale = Number(values.scale);

interface System {
  readonly words: string;
  readonly tools: readonly string[];
  readonly create: (scale: number) => Promise<Mover>;
}

const SYSTEMS: Readonly<Record<string, System>> = {
  prompt: { words: 'holdfast drain', tools: [], create: holdfastMover('prompt') },
  patient: { words: 'holdfast drain --patient', tools: [], create: holdfastMover('patient') },
  keepalived: { words: 'keepalived, master stopped', tools: ['keepalived'], create: keepalivedMover },
  silenced: { words: 'plain host, stops answering', tools: ['nft'], create: plainMover('silenced') },
  removed: { words: 'plain host, address removed', tools: [], create: plainMover('removed') },
};
const BUGGY = 'clients with a bug';
const NAMES = [...Object.keys(SYSTEMS), 'buggy'];

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

const summary = ({ family, client, lost, gapMs, reset, failed, datagramsLost }: DrainLine): string =>
  `${client} ${family}: ${lost} pings and ${datagramsLost} datagrams lost, gap ${gapMs} ms, ${reset} of 10 reset, ${failed} failed`;

/** A run that the machine disturbed is played again so often in a row, then given up. */
const MAX_DISTURBED = 3;

/**
 * Plays `runs` times; ends at a refusal, goes on after a failed run, and plays again what the machine itself has
 * disturbed: another lab on it had filled the kernel's neighbour tables.
 */
const playRuns = async <T>(
  words: string,
  anyHost: Pick<Host, 'exec'>,
  play: () => Promise<readonly T[]>,
  report: (run: number, line: T) => string,
): Promise<readonly T[]> => {
  const found: T[] = [];
  let disturbed = 0;
  for (let run = 1; run <= runs && disturbed < MAX_DISTURBED; ) {
    try {
      const before = await refusedNeighbours(anyHost);
      const lines = await play();
      const crowded = crowdedNote(before, await refusedNeighbours(anyHost));
      for (const line of lines) say(report(run, line));
      if (crowded !== null) say(`${words} ${run} is DISCARDED: ${crowded}`);
      disturbed = crowded === null ? 0 : disturbed + 1;
      if (crowded !== null) continue;
      if (values.json)
        for (const line of lines) process.stdout.write(`${JSON.stringify({ system: words, ...line })}\n`);
      found.push(...lines);
    } catch (error) {
      if (error instanceof RefusedError) {
        say(`${words} is SKIPPED: ${error.message}`);
        break;
      }
      say(`${words} ${run}: FAILED: ${(error as Error).message}`);
      process.exitCode = 1;
    }
    run += 1;
  }
  return found;
};

const measure = async (words: string, create: System['create']): Promise<readonly DrainLine[]> => {
  const mover = await create(scale);
  const report = (run: number, line: DrainLine): string =>
    [`${words} ${run}: ${summary(line)}`, ...line.account].join('\n');
  try {
    return await playRuns(words, mover.clients[0] as Host, () => playMove(mover, scale), report);
  } finally {
    await mover.dispose();
  }
};

const number = (value: number): string => (Number.isFinite(value) ? value.toFixed(0) : 'never');

/** `median (least–most)`. */
const spread = (numbers: readonly number[], show: (value: number) => string = number): string => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const [least, middle, most] = [sorted[0] ?? Number.NaN, quantile(sorted, 0.5), sorted.at(-1) ?? Number.NaN];
  return least === most ? show(least) : `${show(middle)} (${show(least)}–${show(most)})`;
};

const HEAD = [
  ...['system', 'family', 'lines', 'pings lost', 'longest gap, ms', 'reset of 10', 'failed of 10'],
  ...['longest silence, ms', 'datagrams lost', 'over after, s'],
];

const rowsOf = (words: string, lines: readonly DrainLine[]): readonly (readonly string[])[] =>
  (['ipv4', 'ipv6'] as const).flatMap((family) => {
    const own = lines.filter((line) => line.family === family);
    if (own.length === 0) return [];
    const column = (of: (line: DrainLine) => number): string => spread(own.map(of));
    return [
      [
        ...[words, family, String(own.length)],
        column(({ lost }) => lost),
        column(({ gapMs }) => gapMs),
        column(({ reset }) => reset),
        column(({ failed }) => failed),
        column(({ silenceMs }) => silenceMs),
        column(({ datagramsLost }) => datagramsLost),
        spread(
          own.map(({ overMs }) => overMs),
          (ms) => (ms / 1_000).toFixed(1),
        ),
      ],
    ];
  });

const BUGGY_HEAD = [
  ...['client', 'traffic', 'family', 'lines', 'moved after, s', 'by', 'datagrams lost', 'longest gap, s'],
  ...['reset of 2', 'failed of 2', 'stale clients'],
];

const seconds = (ms: number): string => (Number.isFinite(ms) ? (ms / 1_000).toFixed(2) : 'never');

/** `directed request of the former owner × 4, its own ageing × 1`. */
const counted = (words: readonly string[]): string =>
  [...new Set(words)]
    .map((word) => {
      const times = words.filter((other) => other === word).length;
      return times === words.length ? word : `${word} × ${times}`;
    })
    .join(', ');

const buggyRows = (lines: readonly BuggyLine[]): readonly (readonly string[])[] =>
  TRAFFIC.flatMap((traffic) =>
    KINDS.flatMap((kind) =>
      (['ipv4', 'ipv6'] as const).flatMap((family) => {
        const own = lines.filter(
          (line) => line.traffic === traffic && line.kind === kind && line.family === family,
        );
        if (own.length === 0) return [];
        const stale = own.flatMap(({ staleMost }) => staleMost ?? []);
        const column = (of: (line: BuggyLine) => number, show = number): string => spread(own.map(of), show);
        return [
          [
            ...[kind, traffic, family, String(own.length)],
            column(({ movedMs }) => movedMs, seconds),
            counted(own.map(({ by }) => by)),
            column(({ datagramsLost }) => datagramsLost),
            column(({ datagramGapMs }) => datagramGapMs, seconds),
            ...(traffic === 'datagrams'
              ? ['', '']
              : [column(({ reset }) => reset), column(({ failed }) => failed)]),
            stale.length === 0 ? 'not said' : spread(stale),
          ],
        ];
      }),
    ),
  );

const measureBuggy = async (): Promise<readonly BuggyLine[]> => {
  const found: BuggyLine[] = [];
  const stage = await createBuggyStage(scale);
  try {
    for (const traffic of TRAFFIC) {
      const report = (run: number, { kind, family, movedMs, by, account }: BuggyLine): string =>
        [`${kind}, ${traffic} ${run}: ${family} moved after ${seconds(movedMs)} s by ${by}`, ...account].join(
          '\n',
        );
      const words = `${BUGGY}, ${traffic}`;
      found.push(...(await playRuns(words, stage.anyHost, () => stage.play(traffic), report)));
    }
    return found;
  } finally {
    await stage.dispose();
  }
};

const assertNumbers = (): void => {
  const odd = values.only?.find((name) => !NAMES.includes(name));
  if (odd !== undefined) say(`--only ${odd}: there is none of that name; there are ${NAMES.join(', ')}`);
  const isRight = Number.isInteger(runs) && runs >= 1 && scale >= 0.01 && scale <= 1;
  if (!isRight) say(`--runs ${values.runs} --scale ${values.scale}: a count, and 0.01 to 1, would be right`);
  if (odd !== undefined || !isRight) process.exit(2);
};

/** What could not even be built leaves the others to be measured. */
const orGivenUp = async <T>(words: string, lines: Promise<readonly T[]>): Promise<readonly T[]> => {
  try {
    return await lines;
  } catch (error) {
    say(`${words}: GIVEN UP: ${(error as Error).message}`);
    process.exitCode = 1;
    return [];
  }
};

const main = async (): Promise<void> => {
  assertNumbers();
  const rows: (readonly string[])[] = [];
  for (const [name, { words, tools, create }] of Object.entries(SYSTEMS)) {
    if (values.only !== undefined && !values.only.includes(name)) continue;
    const missing = missingTools(tools);
    if (missing.length > 0) say(`${words} is SKIPPED: it needs ${missing.join(', ')}`);
    else rows.push(...rowsOf(words, await orGivenUp(words, measure(words, create))));
  }
  const isBuggyWanted = values.only === undefined || values.only.includes('buggy');
  const missing = isBuggyWanted ? missingTools(['nft', 'tcpdump', 'tshark']) : [];
  if (missing.length > 0) say(`${BUGGY} are SKIPPED: they need ${missing.join(', ')}`);
  const buggy =
    isBuggyWanted && missing.length === 0 ? buggyRows(await orGivenUp(BUGGY, measureBuggy())) : [];
  process.stdout.write(`\nMedian (least–most) of ${runs} runs; times of moves are scaled by ${scale}.\n`);
  if (rows.length > 0) process.stdout.write(`\n${markdown(HEAD, rows)}\n`);
  if (buggy.length > 0) process.stdout.write(`\n${markdown(BUGGY_HEAD, buggy)}\n`);
};

await enclose();
await main();
