// `holdfast lab`: a switch, nodes and a client on this machine, in namespaces that vanish with it, and real
// failures among them. Exit code 1 when a promise was broken.
import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, CommandError, EXIT, type ExitCode, print, readOptions } from '../command.ts';
import { EnclosureError, enclose } from '../lab/enclosure.ts';
import { standInObstacle } from '../lab/lab-cluster.ts';
import { openLabRecord, recordObstacle } from '../lab/lab-record.ts';
import { runScenario } from '../lab/run-scenario.ts';
import type { Scenario, ScenarioLine } from '../lab/scenario.ts';
import { claim } from '../lab/scenario-claim.ts';
import { crash, cut } from '../lab/scenario-failover.ts';
import type { ApiState } from '../lab/scenario-kubernetes.ts';
import { partition } from '../lab/scenario-partition.ts';
import { drain, sigterm } from '../lab/scenario-planned.ts';
import { rolling } from '../lab/scenario-rolling.ts';
import { deaf, rejoin } from '../lab/scenario-sticky.ts';
import { upgrade } from '../lab/scenario-upgrade.ts';
import { MAX_PAGES, tour } from '../lab/tour.ts';

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  claim,
  crash,
  cut,
  drain,
  sigterm,
  rejoin,
  partition,
  deaf,
  rolling,
};
/** Beside those that need nothing but this program. */
const BY_NAME: Readonly<Record<string, Scenario>> = { ...SCENARIOS, upgrade };
const MAX_NODES = 50;
const TOUR_NODES = 3;
/** With a second network no node is dead for want of the first, and what these promise is another thing. */
const OF_ONE_NETWORK = ['partition', 'deaf', 'upgrade'];
/** Without a name: what nobody planned and what somebody did. */
const KUBERNETES_SCENARIOS = [cut, drain];

/** The numbers that only some scenarios have, in words. */
const FURTHER: readonly (readonly [keyof ScenarioLine, string])[] = [
  ['newClientMs', 'a new client was answered after # ms'],
  ['convergedMs', 'one owner after # ms'],
  ['clientsMs', 'every client followed after # ms'],
  ['cutGapMs', 'longest gap by a cut # ms'],
  ['moves', '# moves in all'],
  ['ownerChanges', '# owner changes'],
  ['tcpOpened', '# TCP connections'],
  ['tcpFailed', '# failed'],
  ['tcpCut', '# cut short'],
  ['follows', 'the client changed over # times'],
  ['resets', '# of ten long-lived ones reset'],
  ['agreedMs', 'the objects agree after # ms'],
];

const describe = (line: ScenarioLine): string => {
  const { scenario, family, sent, lost, gapMs, ok, promise, note } = line;
  const further = FURTHER.flatMap(([key, words]) =>
    line[key] === undefined ? [] : [words.replace('#', String(Math.round(Number(line[key]))))],
  );
  const numbers = [`${lost} of ${sent} lost`, `longest gap ${Math.round(gapMs)} ms`, ...further].join(', ');
  const verdict = ok ? 'kept  ' : 'BROKEN';
  return `${verdict} ${scenario} ${family}: ${numbers} (promised: ${promise})${note === undefined ? '' : `; ${note}`}`;
};

const readNodes = (text: string | undefined): number | null => {
  if (text === undefined) return null;
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= MAX_NODES) return count;
  throw new CommandError(EXIT.usage, `--nodes ${text}: a number from 1 to ${MAX_NODES} would be right`);
};

const chosen = (name: string): readonly Scenario[] => {
  if (name === 'all') return Object.values(SCENARIOS);
  const scenario = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
  if (scenario !== undefined) return [scenario];
  const known = [...Object.keys(BY_NAME), 'all'].join(', ');
  throw new CommandError(EXIT.usage, `--scenario ${name}: there is none of that name; there are ${known}`);
};

/** Null: standalone. */
const readApiState = (isKubernetes: boolean, isDown: boolean): ApiState | null => {
  if (isDown && !isKubernetes) throw new CommandError(EXIT.usage, '--api-down goes with --kubernetes');
  if (!isKubernetes) return null;
  const obstacle = standInObstacle();
  if (obstacle !== null) throw new CommandError(EXIT.usage, obstacle);
  return isDown ? 'down' : 'up';
};

const inCluster = (name: string | undefined): readonly Scenario[] => {
  if (name === undefined) return KUBERNETES_SCENARIOS;
  if (OF_ONE_NETWORK.includes(name))
    throw new CommandError(EXIT.usage, `--scenario ${name}: is for standalone nodes; leave --kubernetes out`);
  const others = OF_ONE_NETWORK.map((each) => BY_NAME[each]);
  return chosen(name).filter((scenario) => !others.includes(scenario));
};

/** Absolute: the nodes start it from folders of their own. */
const readProgram = (option: '--program' | '--from', path: string | undefined): string | null => {
  if (path === undefined) return null;
  const program = resolve(path);
  try {
    accessSync(program, constants.X_OK);
    return program;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const right = 'a holdfast command would be right, for instance bin/holdfast of a release';
    throw new CommandError(EXIT.usage, `${option} ${path}: cannot be run (${code}); ${right}`);
  }
};

interface Programs {
  /** What the nodes run; null: this one. */
  readonly program: string | null;
  /** What they run before they are upgraded to that. */
  readonly from: string | null;
}

const readPrograms = (
  program: string | undefined,
  from: string | undefined,
  scenario: string | undefined,
): Programs => {
  if (program !== undefined && scenario === undefined)
    throw new CommandError(EXIT.usage, '--program goes with --scenario');
  if (from !== undefined && scenario !== 'upgrade')
    throw new CommandError(EXIT.usage, '--from goes with --scenario upgrade');
  if (from === undefined && scenario === 'upgrade')
    throw new CommandError(
      EXIT.usage,
      '--scenario upgrade: --from PATH, the holdfast that the nodes start with, is missing',
    );
  return { program: readProgram('--program', program), from: readProgram('--from', from) };
};

interface Runs extends Programs {
  /** A directory, or null. */
  readonly into: string | null;
  readonly scenarios: readonly Scenario[];
  readonly nodes: number | null;
  readonly api: ApiState | null;
  readonly json: boolean;
}

const runScenarios = async ({
  scenarios,
  nodes,
  api,
  program,
  from,
  json,
  into,
}: Runs): Promise<ExitCode> => {
  const say = json ? () => {} : (line: string) => print(`  ${line}`);
  const record = into === null ? null : openLabRecord(into);
  let isKept = true;
  for (const scenario of scenarios) {
    for (const line of await runScenario(scenario, {
      nodes,
      say,
      record,
      ...(api === null ? {} : { kubernetes: api }),
      ...(program === null ? {} : { program }),
      ...(from === null ? {} : { from }),
    })) {
      print(json ? JSON.stringify(line) : describe(line));
      isKept &&= line.ok;
    }
  }
  if (record !== null) say(`journals and a report, for any browser: ${record.finish()}`);
  return isKept ? EXIT.yes : EXIT.no;
};

const enterEnclosure = async (doors: number): Promise<void> => {
  try {
    await enclose({ doors });
  } catch (error) {
    if (error instanceof EnclosureError)
      throw new CommandError(error.exitCode === 3 ? EXIT.permission : EXIT.usage, error.message);
    throw error;
  }
};

export const lab: Command = {
  summary: 'a switch, nodes and a client on this machine, and real failures',
  help: [
    'Usage: holdfast lab [--nodes N] [--kubernetes [--api-down]] [--scenario NAME [--program PATH]] [--json] [--keep] [--record DIR]',
    '',
    'Without a scenario: the tour, which explains what it does; on a terminal it stays up for you to play.',
    ...Object.entries(BY_NAME).map(([name, { summary }]) => `  --scenario ${name.padEnd(10)}${summary}`),
    '  --scenario all       every one of them that needs nothing but this program',
    '  --kubernetes         the nodes run in Kubernetes mode, with a stand-in for the API server: cut and drain, or NAME',
    '  --api-down           with the API server stopped meanwhile',
    '  --record DIR         leaves the journals of every node there, and a report to be opened in a browser',
    '  --program PATH       the nodes run this `holdfast` instead of the one that runs the lab: a release, an image, an older one',
    '  --from PATH          upgrade: the older `holdfast` that the nodes start with; --program, or this one, replaces it',
    '  --keep               the tour stays up until Ctrl-C, on a terminal or not',
  ].join('\n'),
  run: async (args) => {
    const { values } = readOptions(args, {
      nodes: { type: 'string' },
      scenario: { type: 'string' },
      json: { type: 'boolean', default: false },
      record: { type: 'string' },
      keep: { type: 'boolean', default: false },
      kubernetes: { type: 'boolean', default: false },
      'api-down': { type: 'boolean', default: false },
      program: { type: 'string' },
      from: { type: 'string' },
    });
    const programs = readPrograms(values.program, values.from, values.scenario);
    const nodes = readNodes(values.nodes);
    const api = readApiState(values.kubernetes, values['api-down']);
    const standalone = values.scenario === undefined ? null : chosen(values.scenario);
    const scenarios = api === null ? standalone : inCluster(values.scenario);
    const into = values.record ?? null;
    const obstacle = into === null ? null : recordObstacle(into);
    if (obstacle !== null) throw new CommandError(EXIT.usage, obstacle);
    // Of the tour: the pages of its nodes.
    await enterEnclosure(scenarios === null ? Math.min(nodes ?? TOUR_NODES, MAX_PAGES) : 0);
    if (scenarios === null)
      return await tour({
        nodes: nodes ?? TOUR_NODES,
        keep: values.keep || process.stdin.isTTY === true,
        into,
      });
    return await runScenarios({ scenarios, nodes, api, ...programs, json: values.json, into });
  },
};
