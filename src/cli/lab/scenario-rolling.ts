// `rolling`: an upgrade of the whole cluster. Every node in turn is stopped and started again, and nobody notices.
import { type Moved, restart } from './restart.ts';
import { type Scenario, type ScenarioLine, SHORT_DRAIN, toLines } from './scenario.ts';
import { isOf, loadOf, ofFamily, SPREAD_IPS, spread, sum, underLoad } from './spread-load.ts';

const PROMISE =
  'no ping and no new TCP connection is lost; an IP moves once per restart of its owner, and else not';

export const rolling: Scenario = {
  summary: 'every node in turn is stopped (SIGTERM) and started again',
  recorded: 'gapMs',
  leastNodes: 3,
  clients: 1,
  serviceIPs: SPREAD_IPS,
  extra: SHORT_DRAIN,
  play: async (stage, say): Promise<readonly ScenarioLine[]> => {
    await spread(stage);
    const { spell, done: restarts } = await underLoad(stage, async () => {
      const found: Moved[] = [];
      for (const node of stage.nodes) found.push(await restart(stage, node, say));
      return found;
    });
    const faults = restarts.flatMap((one) => one.faults);
    for (const fault of faults) say(fault);
    const families = (['ipv4', 'ipv6'] as const).map((family) => ofFamily(spell.pings, family));
    return toLines('rolling', PROMISE, families, ({ family, lost, firstLostAt }) => {
      const ips = SPREAD_IPS.filter((ip) => isOf(family, ip));
      const moves = sum(restarts.flatMap((one) => ips.map((ip) => one.moves.get(ip) ?? 0)));
      const numbers = loadOf([spell], family);
      const notes = [
        ...(firstLostAt === null
          ? []
          : [`lost from ${Math.round(firstLostAt - spell.began)} ms after it began`]),
        ...faults,
      ];
      return {
        ok: lost === 0 && numbers.tcpFailed === 0 && faults.length === 0,
        moves,
        ...numbers,
        ...(notes.length === 0 ? {} : { note: notes.join('; ') }),
      };
    });
  },
};
