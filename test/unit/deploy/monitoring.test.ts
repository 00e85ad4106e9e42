// What deploy/monitoring has: every expression speaks of metrics and labels that the daemon has, Grafana can import the
// dashboard, each alert has its section in docs/operating.md, fires on what it is for, and on nothing else.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Metrics, MetricsSnapshot } from '../../../src/io/metrics/metrics.ts';
import { START } from '../../support/core.ts';
import { healthyMetrics, healthySnapshot, IPS } from '../../support/metrics.ts';
import {
  alertRules,
  checkRules,
  promtoolPath,
  type Scrape,
  type Watch,
  watchRules,
} from '../../support/promtool.ts';

const ROOT = join(import.meta.dirname, '../../..');
const promtool = promtoolPath();
const skip = promtool === null ? 'no promtool here: apt-get install prometheus, or PROMTOOL=PATH' : false;

type Json = Record<string, unknown>;
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly datasource: Json }[];
}
const dashboard = JSON.parse(readFileSync(join(ROOT, 'deploy/monitoring/dashboard.json'), 'utf8')) as Json & {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Json[] };
};
const panels = dashboard.panels.filter(({ type }) => type !== 'row');
/** As Grafana would send them: variables replaced by what any value is. */
const expressions = panels
  .flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  .map((expr) => expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$\{?\w+\}?/g, '.+'));

/** Every metric with its labels, from an exposition in which each has a sample. */
const exposed = async (): Promise<ReadonlyMap<string, ReadonlySet<string>>> => {
  const metrics = healthyMetrics('n1');
  metrics.measured({ converged: [5], left: [5], helloLateness: [1] });
  const text = await metrics.render({
    ...healthySnapshot('n1'),
    serviceIPs: [
      { ip: IPS[0], state: 'leader', holder: 'n1' },
      { ip: IPS[1], state: 'unowned', holder: null },
    ],
    framesDropped: { 'arp-length': 1 },
    sendErrors: { ENOBUFS: 1 },
    rivals: { [IPS[0]]: 1 },
    staleClients: { [IPS[0]]: 1 },
  });
  const known = new Map<string, Set<string>>();
  for (const [, name, labels = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const names = known.get(name as string) ?? new Set();
    for (const [, label] of labels.matchAll(/(\w+)="/g)) names.add(label as string);
    known.set(name as string, names);
  }
  for (const [, name] of text.matchAll(/^# TYPE (\S+) (?:gauge|counter)$/gm))
    assert.ok(known.has(name as string), `${name} has no sample in this test`);
  return known;
};

/** What Prometheus adds to every series of a target. */
const TARGET_LABELS = ['node', 'job', 'instance', 'namespace', 'pod'];

test('every expression of an alert and of the dashboard speaks of metrics and labels that the daemon exposes', async () => {
  const known = await exposed();
  const rules = alertRules().map(({ expr }) => expr);
  assert.ok(rules.length >= 20 && expressions.length >= 20);
  for (const expr of [...rules, ...expressions]) {
    const used = [...expr.matchAll(/\b(holdfast_\w+)(?:\{([^}]*)\})?/g)];
    assert.ok(used.length > 0 || /^up\{/.test(expr), expr);
    for (const [, name, matchers = ''] of used) {
      const labels = known.get(name as string);
      assert.ok(labels, `${expr}: ${name} is not a metric of the daemon`);
      for (const [, label] of matchers.matchAll(/(\w+)\s*[=!]/g))
        assert.ok(
          labels.has(label as string) || TARGET_LABELS.includes(label as string),
          `${expr}: ${name} has no label ${label}`,
        );
    }
  }
});

test('Grafana can import the dashboard: uid, a data source to choose, panels that do not lie on each other', () => {
  assert.match(String(dashboard.uid), /^[\w-]{1,40}$/);
  assert.equal(typeof dashboard.title, 'string');
  assert.ok(Number(dashboard.schemaVersion) >= 36);
  assert.equal(dashboard.id, null);
  const variables = dashboard.templating.list.map(({ name }) => name);
  assert.ok(variables.includes('datasource'));
  const ids = dashboard.panels.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, 'ids are unique');
  const taken = new Set<string>();
  for (const { title, gridPos, targets, description, type } of dashboard.panels) {
    const { x, y, w, h } = gridPos;
    assert.ok(x >= 0 && w > 0 && h > 0 && x + w <= 24, title);
    for (let column = x; column < x + w; column += 1)
      for (let row = y; row < y + h; row += 1) {
        assert.ok(!taken.has(`${column} ${row}`), `${title} lies on another panel`);
        taken.add(`${column} ${row}`);
      }
    if (type === 'row') continue;
    assert.ok((description ?? '') !== '', `${title} says what it shows`);
    const refs = (targets ?? []).map(({ refId }) => refId);
    assert.ok(refs.length > 0 && new Set(refs).size === refs.length, title);
    for (const { datasource, expr } of targets ?? []) {
      assert.deepEqual(datasource, { type: 'prometheus', uid: '${datasource}' }, title);
      for (const [, name] of expr.matchAll(/\$\{?(\w+)\}?/g))
        assert.ok(variables.includes(name as string) || name === '__rate_interval', `${title}: ${name}`);
    }
  }
});

test('promtool takes every rule and every expression of the dashboard', { skip }, async () => {
  assert.equal(await checkRules(promtool as string, null), null);
  assert.equal(await checkRules(promtool as string, expressions), null);
});

const OPERATING = readFileSync(join(ROOT, 'docs/operating.md'), 'utf8');
test('docs/operating.md names every metric that there is, and none that is not', async () => {
  const named = new Set([...OPERATING.matchAll(/`(holdfast_\w+)/g)].map(([, name]) => name as string));
  const known = new Set(
    [...(await exposed()).keys()].map((name) => name.replace(/_(bucket|sum|count)$/, '')),
  );
  assert.deepEqual([...named].toSorted(), [...known].toSorted());
});

/** `### Name` and what stands below it. */
const sections = new Map(
  OPERATING.split(/^(?=#{2,3} )/m).map((part): [string, string] => {
    const [head = '', ...rest] = part.split('\n');
    return [head.replace(/^#+ /, ''), rest.join('\n')];
  }),
);
/** The commands that there are: files of src/cli/commands, and those that main.ts names beside them. */
const commands = new Set(
  [...readFileSync(join(ROOT, 'src/cli/main.ts'), 'utf8').matchAll(/^ {2}'?([\w-]+)'?: async/gm)].map(
    ([, name]) => name as string,
  ),
);
const plugin = new Set(
  globSync('*.ts', { cwd: join(ROOT, 'src/cli/kubectl') }).map((file) => file.replace('.ts', '')),
);

test('each alert has a section that says what it means, what to look at and what to do, with commands that exist', () => {
  assert.ok(commands.size > 10);
  for (const { alert, annotations } of alertRules()) {
    assert.equal(
      annotations.runbook_url,
      `https://holdfast.dev/docs/operating.md#${alert.toLowerCase()}`,
      alert,
    );
    const text = sections.get(alert);
    assert.ok(text !== undefined, `docs/operating.md has no section ${alert}`);
    for (const part of ['**Means.** ', '**Look.** ', '**Do.** '])
      assert.ok(text.includes(part), `${alert}: ${part}is missing`);
    const typed = [...text.matchAll(/`(kubectl )?holdfast ([\w-]+)/g)];
    assert.ok(typed.length > 0, `${alert} names no command to type`);
    for (const [, isPlugin, name] of typed)
      assert.ok(
        (isPlugin === undefined ? commands : plugin).has(name as string),
        `${alert}: holdfast ${name}`,
      );
  }
  const alerts = new Set(alertRules().map(({ alert }) => alert));
  for (const name of sections.keys())
    if (/^Holdfast[A-Z]\w+$/.test(name)) assert.ok(alerts.has(name), `there is no alert ${name}`);
});

type Change = (
  node: string,
  snapshot: MetricsSnapshot,
  metrics: Metrics,
  faultyFor: number,
) => MetricsSnapshot | null;

const NODES = ['n1', 'n2', 'n3'];
const HEALTHY_STEPS = 20;

/** Three nodes, healthy for 20 steps, then as `change` has them (null: no answer) for as many as asked for. */
const watched = async (
  name: string,
  change: Change,
  { steps = 20, stepMinutes = 1, firing = [name] }: Partial<Omit<Watch, 'steps'>> & { steps?: number } = {},
): Promise<Watch> => {
  const metrics = new Map(NODES.map((node) => [node, healthyMetrics(node)]));
  const scrapes: Scrape[][] = [];
  for (let step = 0; step < HEALTHY_STEPS + steps; step += 1) {
    const faultyFor = step - HEALTHY_STEPS;
    const last = scrapes.at(-1);
    // A day of the same needs no hundreds of renderings.
    if (stepMinutes > 1 && last !== undefined && faultyFor !== 0) {
      scrapes.push(last);
      continue;
    }
    scrapes.push(
      await Promise.all(
        NODES.map(async (node): Promise<Scrape> => {
          const own = metrics.get(node) as Metrics;
          own.measured({ converged: [], left: [], helloLateness: [0.2, 0.3] });
          own.step(0.05);
          const snapshot = { ...healthySnapshot(node), journalBytes: 4_096 + step * 100 };
          const now = faultyFor < 0 ? snapshot : change(node, snapshot, own, faultyFor);
          return { node, text: now === null ? null : await own.render(now) };
        }),
      ),
    );
  }
  return { name, steps: scrapes, stepMinutes, firing };
};

const takes = (metrics: Metrics, ip: string): void =>
  metrics.transition(
    { type: 'record', ip, from: 'candidate', to: 'leader', epoch: 9, cause: 'holder-dead', reason: 'x' },
    5,
  );
const only =
  (chosen: string, over: Partial<MetricsSnapshot>): Change =>
  (node, snapshot) =>
    node === chosen ? { ...snapshot, ...over } : snapshot;
const growing =
  (chosen: string, over: (minutes: number) => Partial<MetricsSnapshot>): Change =>
  (node, snapshot, _metrics, minutes) =>
    node === chosen ? { ...snapshot, ...over(minutes) } : snapshot;
const as = (state: 'leader' | 'unowned' | 'draining', holder: string | null): MetricsSnapshot['serviceIPs'] =>
  IPS.map((ip) => ({ ip, state, holder }));

/** What each alert is for. */
const CASES: Readonly<Record<string, () => Promise<Watch>>> = {
  HoldfastServiceIPUnowned: () =>
    watched('HoldfastServiceIPUnowned', (_node, snapshot) => ({
      ...snapshot,
      serviceIPs: as('unowned', null),
    })),
  HoldfastServiceIPLost: () =>
    // Those that are left were never told of these IPs.
    watched(
      'HoldfastServiceIPLost',
      (node, snapshot) => (node === 'n1' ? null : { ...snapshot, serviceIPs: [] }),
      { steps: 8, firing: ['HoldfastNotScraped', 'HoldfastServiceIPLost'] },
    ),
  HoldfastServiceIPLedTwice: () =>
    watched('HoldfastServiceIPLedTwice', only('n2', { serviceIPs: as('leader', 'n2') })),
  HoldfastServiceIPMovesOften: () =>
    watched('HoldfastServiceIPMovesOften', (node, snapshot, metrics) => {
      if (node === 'n1') takes(metrics, IPS[0]);
      return snapshot;
    }),
  HoldfastServiceIPInForeignUse: () =>
    watched('HoldfastServiceIPInForeignUse', only('n1', { rivals: { [IPS[0]]: 3 } }), { steps: 4 }),
  HoldfastClientsNotConfirming: () =>
    watched(
      'HoldfastClientsNotConfirming',
      (node, snapshot, metrics, minutes) => {
        if (node === 'n2' && minutes === 2) metrics.settled({ known: 10, confirmed: 2 });
        return snapshot;
      },
      { steps: 10 },
    ),
  HoldfastNotScraped: () =>
    watched('HoldfastNotScraped', (node, snapshot) => (node === 'n3' ? null : snapshot)),
  HoldfastNotReady: () => watched('HoldfastNotReady', only('n2', { ready: false })),
  HoldfastRestartsOften: () => {
    const started = (minutes: number): number => START + Math.floor(minutes / 4) * 240_000;
    return watched(
      'HoldfastRestartsOften',
      growing('n2', (minutes) => ({ startedAt: started(minutes) })),
    );
  },
  HoldfastNodeDrained: () =>
    watched('HoldfastNodeDrained', only('n2', { drained: true }), { steps: 400, stepMinutes: 4 }),
  HoldfastFindings: () => watched('HoldfastFindings', only('n2', { findings: 1 })),
  HoldfastPeerDead: () => watched('HoldfastPeerDead', only('n2', { peers: ['alive', 'dead'] })),
  HoldfastPeerUnproven: () => watched('HoldfastPeerUnproven', only('n2', { peers: ['alive', 'unproven'] })),
  HoldfastHellosLate: () =>
    watched('HoldfastHellosLate', (node, snapshot, metrics) => {
      if (node === 'n2') metrics.measured({ converged: [], left: [], helloLateness: [80, 90] });
      return snapshot;
    }),
  HoldfastFramesNotSent: () =>
    watched(
      'HoldfastFramesNotSent',
      growing('n2', (minutes) => ({ sendErrors: { ENOBUFS: minutes * 20 } })),
    ),
  HoldfastHellosRefused: () =>
    watched(
      'HoldfastHellosRefused',
      growing('n2', (minutes) => ({ framesDropped: { 'hello-signature': minutes * 1_200 } })),
    ),
  HoldfastJournalFailing: () => watched('HoldfastJournalFailing', only('n2', { journalFailing: true })),
  HoldfastJournalIncomplete: () => watched('HoldfastJournalIncomplete', only('n2', { journalLost: 17 })),
  HoldfastPoolNearlyExhausted: () =>
    watched(
      'HoldfastPoolNearlyExhausted',
      only('n1', {
        cluster: {
          brokenSources: 0,
          allocation: { pools: [{ pool: 'blue', family: 'ipv4', size: 100, used: 95 }], troubled: 0 },
        },
      }),
    ),
  HoldfastServiceWithoutAddress: () =>
    watched(
      'HoldfastServiceWithoutAddress',
      only('n1', { cluster: { brokenSources: 0, allocation: { pools: [], troubled: 2 } } }),
    ),
  HoldfastApiServerAway: () =>
    watched('HoldfastApiServerAway', only('n2', { cluster: { brokenSources: 3, allocation: null } })),
};

/** What happens all the time and is no alarm. */
const CALM: readonly (() => Promise<Watch>)[] = [
  () => watched('nothing happens', (_node, snapshot) => snapshot, { firing: [] }),
  () =>
    watched(
      'n1 dies and is scraped no more, n2 takes both IPs and each client follows',
      (node, snapshot, metrics, minutes) => {
        if (node === 'n1') return { ...snapshot, serviceIPs: as('unowned', 'n2') };
        if (node === 'n2' && minutes === 0) {
          for (const ip of IPS) takes(metrics, ip);
          metrics.settled({ known: 12, confirmed: 11 });
        }
        return { ...snapshot, serviceIPs: as(node === 'n2' ? 'leader' : 'unowned', 'n2') };
      },
      { firing: [] },
    ),
  () =>
    watched(
      'a drain: n1 carries the traffic of clients that n2 answers for',
      (node, snapshot) => ({
        ...snapshot,
        serviceIPs: as(node === 'n2' ? 'leader' : node === 'n1' ? 'draining' : 'unowned', 'n2'),
      }),
      { steps: 3, firing: [] },
    ),
  () =>
    watched(
      'an isolated node knows of no holder, and another one holds',
      only('n3', { serviceIPs: as('unowned', null) }),
      { firing: [] },
    ),
];

test('each alert has its case, and no case is of an alert that is not there', () => {
  assert.deepEqual(
    Object.keys(CASES).toSorted(),
    alertRules()
      .map(({ alert }) => alert)
      .toSorted(),
  );
});

test('every alert fires on what it is for and on nothing else', { skip }, async () => {
  const watches = await Promise.all([...Object.values(CASES), ...CALM].map((make) => make()));
  assert.equal(await watchRules(promtool as string, watches), null);
});
