// Incidents, played in the simulator, and what `explain` makes of the journals that are left: the true cause in each,
// and, where the journals do not hold it, that they do not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Report, reportOn, reportText } from '../../../src/cli/history/explain-report.ts';
import { openJournals } from '../../../src/cli/history/journals.ts';
import { readChronicles } from '../../../src/cli/history/read-chronicles.ts';
import { replayFiles } from '../../../src/cli/history/replay-run.ts';
import { mayExplain } from '../../../src/machines/explain-words.ts';
import { type Ownership, ownershipOf } from '../../../src/machines/ownership.ts';
import { runScript } from '../../support/script.ts';
import { writeJournals } from '../../support/sim-journals.ts';
import { withDirectory } from '../journal/recorder.ts';

const IP = '10.0.0.1';

/** Plays a script and explains the IP at its end, from the journals of the nodes named (default: all). */
const explained = async (
  script: string,
  only: readonly string[] = [''],
): Promise<{ text: string; report: Report }> => {
  let result: { text: string; report: Report } | null = null;
  await withDirectory((directory) => {
    runScript(script, (world) => writeJournals(world, directory));
    const journals = openJournals(only.map((name) => `${directory}/${name}`));
    assert.deepEqual(replayFiles(journals.files).findings, []);
    const { chronicles, damage } = readChronicles(journals.lives, mayExplain(IP));
    assert.deepEqual(damage, []);
    const ownership = ownershipOf(chronicles);
    const report = reportOn(ownership, journals.lives, IP, Math.max(...ownership.lanes.map(({ to }) => to)));
    result = { text: reportText(report), report };
  });
  assert.ok(result !== null);
  return result;
};

const THREE = `nodes 3\nips ${IP}\nclients 1\nstart n1 n2 n3\nadvance 3s\n`;

interface Incident {
  readonly title: string;
  readonly script: string;
  readonly only?: readonly string[];
  readonly says: readonly RegExp[];
}

// n1 holds the IP in each of them: it ranks first.
const INCIDENTS: readonly Incident[] = [
  {
    title: 'a machine that goes down',
    script: `${THREE}crash n1\nadvance 2s`,
    says: [
      /n1 wrote its last line: .* ends without an exit/,
      /n2 took|n3 took/,
      /had been silent for 20\d ms/,
    ],
  },
  {
    title: 'a process that is killed, and started again',
    script: `${THREE}kill n1\nadvance 1s\nstart n1\nadvance 3s`,
    says: [/n1 wrote its last line/, /n1 leaves it alone: n[23] holds it/],
  },
  {
    title: 'a link that goes down',
    script: `${THREE}cut n1\nadvance 2s`,
    says: [/n1 lost its link: eth0 went down/, /n1 cannot have it: eth0 is down/],
  },
  {
    title: 'a link that flaps',
    script: `${THREE}cut n1\nadvance 1s\nrestore n1\nadvance 2s\ncut n1\nadvance 1s\nrestore n1\nadvance 3s`,
    says: [/n1 lost its link: eth0 went down/, /n1 leaves it alone/],
  },
  {
    title: 'a port that lets nothing out',
    script: `${THREE}mute n1\nadvance 2s`,
    says: [
      /n1's own record shows nothing at that time, and it went on hearing others: what it sent got lost/,
    ],
  },
  {
    title: 'a port that drops everything with its carrier up',
    script: `${THREE}isolate n1\nadvance 2s`,
    says: [/n1 heard nothing of n[23] either, though its link stayed up/, /why is not in them/],
  },
  {
    title: 'a foreign host that uses the address',
    script: `${THREE}foreign ${IP}\nadvance 1s\nforeign ${IP}\nadvance 1s`,
    says: [/n1 heard 02:00:00:00:03:01, which is no node, use 10\.0\.0\.1/, /n1 gave up .* uses the address/],
  },
  {
    title: 'a drain for which there is no successor',
    script: `nodes 1\nips ${IP}\nstart n1\nadvance 3s\ndrain n1\nadvance 2s`,
    says: [
      /n1 was told to drain, and found nobody to give it to/,
      /n1 holds it, and it stays here: no other node/,
    ],
  },
  {
    title: 'a planned drain',
    script: `${THREE}drain n1\nadvance 2s`,
    says: [/n1 was told to drain, and named n[23] as the successor/, /n1, the holder, handed it over/],
  },
  {
    title: 'a main thread that hangs past the watchdog',
    script: `${THREE}stall n1 5s\nadvance 8s`,
    says: [/n1 began anew: the main thread gave no sign of life for 3\d{3} ms/],
  },
  {
    title: 'an upgrade: every node stopped and started',
    script: `${THREE}stop n1\nadvance 20s\nstart n1\nadvance 3s`,
    says: [/n1 was told to stop: .*, and named n[23] as the successor/, /n1 leaves it alone/],
  },
  {
    title: 'every node stopped',
    script: `${THREE}stop n1 n2 n3\nadvance 30s`,
    says: [/nobody owned 10\.0\.0\.1/, /was told to stop/],
  },
  {
    title: 'a node that has been drained, and is the only one left',
    script: `nodes 2\nips ${IP}\nstart n1 n2\nadvance 3s\ndrain n2\nadvance 1s\ncrash n1\nadvance 1s`,
    says: [/nobody owned 10\.0\.0\.1/, /n2 does not take it: drained/],
  },
  {
    title: 'a crash of which the dead node left no journal here',
    script: `${THREE}crash n1\nadvance 2s`,
    only: ['n2', 'n3'],
    says: [/no journal of n1 of that time is here: why it fell silent is not known/],
  },
];

for (const { title, script, only, says } of INCIDENTS) {
  test(`explain names the cause of ${title}`, async () => {
    const { text } = await explained(script, only);
    for (const said of says) assert.match(text, said);
  });
}

/** What the timeline makes of a script. */
const laidOver = async (script: string): Promise<Ownership> => {
  let result: Ownership | null = null;
  await withDirectory((directory) => {
    runScript(script, (world) => writeJournals(world, directory));
    result = ownershipOf(readChronicles(openJournals([directory]).lives).chronicles);
  });
  assert.ok(result !== null);
  return result;
};

for (const [what, act] of [
  ['paused', 'pause n1\nadvance 2s\nresume n1\nadvance 2s'],
  ['hung', 'stall n1 5s\nadvance 8s'],
] as const) {
  test(`a node that was ${what} answered no longer than it sent hellos, whatever its own record says`, async () => {
    const { overlaps, gaps, lanes } = await laidOver(`${THREE}${act}`);
    assert.deepEqual(overlaps, []);
    assert.equal(gaps.length, 1);
    // Its hold time, less the half interval after its last hello.
    assert.ok(Math.abs((gaps[0]?.ms ?? 0) - 176) <= 5, `${gaps[0]?.ms} ms`);
    assert.ok(lanes.every(({ ending, clock }) => ending === 'open' && (clock.errorMs ?? 99) < 2));
  });
}
