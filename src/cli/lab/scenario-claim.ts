// `claim`: nodes start, one takes each service IP, and a client that never heard of it resolves and reaches it.
import { startProbe } from './prober.ts';
import { PERIOD_MS, type Scenario, toLines } from './scenario.ts';
import { LAB_SERVICE_IPS } from './stage.ts';

const PROBES = 1_000;

export const claim: Scenario = {
  summary: 'a node takes the service IPs; a client resolves and reaches them',
  recorded: 'gapMs',
  leastNodes: 1,
  clients: 1,
  play: async (stage, say) => {
    const owners = await stage.owners();
    for (const [ip, node] of owners) say(`${ip} is owned by ${node.host.name} (${node.host.mac})`);
    const probe = startProbe(stage.client, {
      targets: LAB_SERVICE_IPS,
      periodMs: PERIOD_MS,
      durationMs: PROBES * PERIOD_MS,
    });
    await probe.ready;
    say(`the client sends ${PROBES} pings to each, one every ${PERIOD_MS} ms`);
    const results = await probe.finished;
    return toLines('claim', 'no ping is lost', results, ({ lost, sent }) => ({ ok: lost === 0 && sent > 0 }));
  },
};
