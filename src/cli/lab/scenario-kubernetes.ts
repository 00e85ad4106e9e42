// A scenario on nodes in Kubernetes mode, with the API server up or stopped meanwhile. The API is not in the path of a
// failover: the scenario's own promise stays as it is. What is added: the ServiceIP objects agree with the wire.
import { sleep } from './lab-node.ts';
import { playOn, type Say, type Scenario, type ScenarioLine } from './scenario.ts';
import type { Stage } from './stage.ts';

/** What becomes of the API server while the scenario plays. */
export type ApiState = 'up' | 'down';

/** Issue 6: after the API server's return. */
const AGREED_WITHIN_MS = 5_000;
/** A disagreement is waited for as long as it may mean anything. */
const AGREED_TIMEOUT_MS = 30_000;
const ASK_EVERY_MS = 20;

/** IPs whose object does not name the node that leads them, or another epoch: a few words each. */
const disagreements = async (stage: Stage): Promise<readonly string[]> => {
  const owners = await stage.owners();
  const said = (await stage.cluster?.said()) ?? new Map();
  const wrong: string[] = [];
  for (const [ip, owner] of owners) {
    const view = (await owner.status()).serviceIPs.find((each) => each.ip === ip);
    const object = said.get(ip);
    if (object?.holder === owner.host.name && object.epoch === view?.epoch && object.state === 'leader')
      continue;
    const name = object === undefined ? 'nobody' : `${object.holder} at epoch ${object.epoch}`;
    wrong.push(`${ip}: the object says ${name}, the wire ${owner.host.name} at epoch ${view?.epoch}`);
  }
  return wrong;
};

export interface Agreement {
  /** Milliseconds from the call on. */
  readonly ms: number;
  /** What still differed in the end. */
  readonly wrong: readonly string[];
}

/** Waits until the objects agree with the wire. */
export const agreement = async (stage: Stage): Promise<Agreement> => {
  const since = performance.now();
  for (;;) {
    const asked = performance.now();
    const wrong = await disagreements(stage);
    const ms = Math.round(asked - since);
    if (wrong.length === 0 || ms > AGREED_TIMEOUT_MS) return { ms, wrong };
    await sleep(ASK_EVERY_MS);
  }
};

/** Every object says what is true before anything happens. */
const begin = async (stage: Stage, api: ApiState, say: Say): Promise<void> => {
  await stage.settled();
  await agreement(stage);
  for (const [ip, { host }] of await stage.owners())
    say(`a Service was given ${ip}, which ${host.name} owns; its object says so`);
  if (api === 'up') return;
  await stage.cluster?.fault('down');
  say('the API server is stopped');
};

export const playInCluster = async (
  stage: Stage,
  scenario: Scenario,
  api: ApiState,
  say: Say,
): Promise<readonly ScenarioLine[]> => {
  await begin(stage, api, say);
  const lines = await playOn(stage, scenario, say);
  if (api === 'down') {
    await stage.cluster?.fault('up');
    say('the API server is back');
  }
  const { ms, wrong } = await agreement(stage);
  say(`the ServiceIP objects agree with the wire after ${ms} ms`);
  const isKept = wrong.length === 0 && ms <= AGREED_WITHIN_MS;
  return lines.map((line) => ({
    ...line,
    scenario: api === 'down' ? `${line.scenario}, API server stopped` : line.scenario,
    promise: `${line.promise}; the objects agree within ${AGREED_WITHIN_MS} ms`,
    agreedMs: ms,
    ok: line.ok && isKept,
    ...(wrong.length === 0 ? {} : { note: wrong.join('; ') }),
  }));
};
