// `cut` and `crash`: the owner dies without a word. Its link goes, and clients wait for the successor; or its
// process goes, and the kernel keeps serving those that know the way while the successor answers the others.
import { sleep } from './lab-node.ts';
import { type ProbeResult, startProbe } from './prober.ts';
import { PERIOD_MS, type Scenario, SHORT_DRAIN, startProbing, toLines } from './scenario.ts';
import type { Host } from './segment.ts';
import { LAB_SERVICE_IPS, type Stage } from './stage.ts';

/** design.md, "What must never happen" 2: the hold time and this. */
const TAKEOVER_MS = 100;
/** Beyond it a gap is no failover any more; the probe goes on that long. */
const AFTERMATH_MS = 400;

const promisedGap = ({ profile }: Stage): number => profile.deadAfterMs + TAKEOVER_MS;

export const cut: Scenario = {
  summary: "the owner's port on the switch goes down",
  recorded: 'gapMs',
  leastNodes: 2,
  clients: 1,
  extra: SHORT_DRAIN,
  play: async (stage, say) => {
    const owner = await stage.gathered();
    await stage.settled();
    const stop = await startProbing(stage.client);
    say(`the port of ${owner.host.name}, which owns both service IPs, goes down`);
    await stage.segment.cut(owner.host);
    await sleep(promisedGap(stage) + AFTERMATH_MS);
    const results = await stop();
    const others = stage.nodes.filter((node) => node !== owner && node.isRunning());
    for (const [ip, { host }] of await stage.owners(others)) say(`${ip} is owned by ${host.name} now`);
    await stage.segment.restore(owner.host);
    await stage.settled();
    const limit = promisedGap(stage);
    return toLines('cut', `no gap above ${limit} ms`, results, ({ gapMs }) => ({ ok: gapMs <= limit }));
  },
};

/** A client's kernel asks again after a second, three times; for a measurement it asks every 5 ms without end. */
const askOften = async (client: Host): Promise<void> => {
  const lines = ['ipv4', 'ipv6'].flatMap((family) => [
    `echo 5 >/proc/sys/net/${family}/neigh/eth0/retrans_time_ms`,
    `echo 1000 >/proc/sys/net/${family}/neigh/eth0/mcast_solicit`,
  ]);
  await client.exec('sh', ['-ec', lines.join('\n')]);
};

/** A daemon that was killed has stopped answering by then. */
const DYING_MS = 5;

/** A process that waits in the client to drop its entries: starting one at the kill would come too late. */
const prepareForgetting = (client: Host): (() => void) => {
  const child = client.spawn('ip', ['-force', '-batch', '-'], { stdio: ['pipe', 'ignore', 'ignore'] });
  child.stdin?.on('error', () => {});
  const lines = LAB_SERVICE_IPS.map((ip) => `neigh del ${ip} dev eth0\n`);
  return () => child.stdin?.end(lines.join(''));
};

/**
 * How long a client without an entry waited: the kernel keeps its pings until it knows the way, so they are late
 * rather than lost. Infinite when the entry does not name the owner in the end.
 */
const waited = async (
  stage: Stage,
  stranger: Host,
  results: readonly ProbeResult[],
): Promise<ReadonlyMap<string, number>> => {
  const found = new Map<string, number>();
  const owners = await stage.owners();
  for (const { target, gapMs, rttMaxUs } of results) {
    const entry = await stage.segment.neighbour(stranger, target);
    const isRight = entry?.mac === owners.get(target)?.host.mac;
    found.set(target, isRight ? Math.max(gapMs, (rttMaxUs ?? 0) / 1_000) : Number.POSITIVE_INFINITY);
  }
  return found;
};

export const crash: Scenario = {
  summary: "the owner's daemon is killed (SIGKILL)",
  recorded: 'newClientMs',
  leastNodes: 2,
  clients: 2,
  extra: SHORT_DRAIN,
  play: async (stage, say) => {
    const owner = await stage.gathered();
    await stage.settled();
    const stranger = stage.clients[1] as Host;
    await askOften(stranger);
    const fresh = startProbe(stranger, { targets: LAB_SERVICE_IPS, periodMs: PERIOD_MS });
    await fresh.ready;
    const forget = prepareForgetting(stranger);
    const stop = await startProbing(stage.client);
    say(`the daemon of ${owner.host.name}, which owns both service IPs, is killed`);
    owner.signal('SIGKILL');
    await sleep(DYING_MS);
    forget();
    await owner.exited();
    await sleep(promisedGap(stage) + AFTERMATH_MS);
    const [known, unknown] = await Promise.all([stop(), fresh.stop()]);
    for (const [ip, { host }] of await stage.owners()) say(`${ip} is owned by ${host.name} now`);
    const newcomers = await waited(stage, stranger, unknown);
    await owner.start();
    await stage.settled();
    const limit = promisedGap(stage);
    return toLines(
      'crash',
      `clients that know the way lose nothing; a new one is answered within ${limit} ms`,
      known,
      ({ lost, target }) => {
        const newClientMs = newcomers.get(target) ?? Number.POSITIVE_INFINITY;
        return { ok: lost === 0 && newClientMs <= limit, newClientMs };
      },
    );
  },
};
