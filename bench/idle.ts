// `npm run bench:idle`: what a cluster costs that has nothing to do, and whether it sleeps soundly. Nodes hold
// many IPs for a while, if wanted with every core kept busy beside them; prints CPU of each daemon, the worst
// hello lateness and how many owners changed (a false alarm each).
// Usage: idle.ts [--seconds N] [--nodes N] [--ips N] [--interval MS] [--busy] [--no-realtime]
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { enclose } from '../src/cli/lab/enclosure.ts';
import { type LabNode, sleep } from '../src/cli/lab/lab-node.ts';
import { createStage } from '../src/cli/lab/stage.ts';
import { requestControl } from '../src/io/control/control-socket.ts';
import { cpuSeconds, residentMiB } from './process-usage.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    nodes: { type: 'string', default: '4' },
    ips: { type: 'string', default: '1000' },
    interval: { type: 'string', default: '50' },
    busy: { type: 'boolean', default: false },
    'no-realtime': { type: 'boolean', default: false },
  },
});

const OWNERS_WITHIN_MS = 120_000;

/** On the lab's prefixes: up to 100 IPv4 addresses, the rest IPv6. */
const MAX_IPV4 = 100;
const serviceIPs = Array.from({ length: Number(values.ips) }, (_, index) =>
  index < MAX_IPV4 ? `10.99.0.${100 + index}` : `fd99::1:${index.toString(16)}`,
);

const metric = async (node: LabNode, name: string): Promise<number> => {
  const { body } = await requestControl(node.socket, 'GET', '/metrics');
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(body)?.[1] ?? Number.NaN);
};

/** A process a core that does nothing but compute. */
const keepBusy = () =>
  Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  );

await enclose();
const interval = Number(values.interval);
const stage = await createStage({
  nodes: Number(values.nodes),
  serviceIPs,
  profile: { intervalMs: interval, deadAfterMs: 4 * interval },
  wrapper: values['no-realtime'] ? ['setpriv', '--bounding-set=-sys_nice', '--inh-caps=-sys_nice'] : [],
});
const owners = await stage.owners(stage.nodes, OWNERS_WITHIN_MS);
const busy = values.busy ? keepBusy() : [];
await sleep(5_000);
const before = stage.nodes.map((node) => cpuSeconds(node.pid()));
const started = performance.now();
await sleep(Number(values.seconds) * 1_000);
const seconds = (performance.now() - started) / 1_000;
const cpu = stage.nodes.map((node, index) => cpuSeconds(node.pid()) - (before[index] ?? 0));
for (const process of busy) process.kill('SIGKILL');
const after = await stage.owners(stage.nodes, OWNERS_WITHIN_MS);
const changed = [...owners].filter(([ip, node]) => after.get(ip) !== node).length;
console.log(
  `${values.nodes} nodes, ${values.ips} IPs, hellos every ${interval} ms, ${seconds.toFixed(0)} s, cores ${values.busy ? 'busy' : 'idle'}, real-time ${values['no-realtime'] ? 'off' : 'on'}`,
);
console.log('node  holds  CPU %   RSS MiB  worst hello lateness ms');
for (const [index, node] of stage.nodes.entries()) {
  const held = [...after.values()].filter((owner) => owner === node).length;
  const lateness = (await metric(node, 'holdfast_hello_lateness_max_seconds')) * 1_000;
  const percent = ((cpu[index] ?? 0) / seconds) * 100;
  console.log(
    `${node.host.name.padEnd(6)}${String(held).padEnd(7)}${percent.toFixed(1).padEnd(8)}${residentMiB(node.pid()).toFixed(0).padEnd(9)}${lateness.toFixed(1)}`,
  );
}
console.log(`owner changes: ${changed}`);
await stage.dispose();
process.exit(changed === 0 ? 0 : 1);
