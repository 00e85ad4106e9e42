// keepalived (VRRP) in the lab's namespaces, with the same service IPs, harmed and measured like our own nodes.
import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep, waitFor } from '../src/cli/lab/lab-node.ts';
import { startProbe } from '../src/cli/lab/prober.ts';
import { type ScenarioLine, startProbing, toLines } from '../src/cli/lab/scenario.ts';
import { createSegment, type Host, type Segment } from '../src/cli/lab/segment.ts';
import { LAB_SERVICE_IPS } from '../src/cli/lab/stage.ts';

export type Harm = 'cut' | 'crash' | 'sigterm';

export interface KeepalivedStage {
  readonly segment: Segment;
  readonly clients: readonly Host[];
  /** Waits until one of them is master and all have known it for a while. */
  settled(): Promise<void>;
  play(harm: Harm): Promise<readonly ScenarioLine[]>;
  /** Stops the master (SIGTERM); resolves when another is. What it gives starts the old one again. */
  stopMaster(): Promise<() => Promise<void>>;
  dispose(): Promise<void>;
}

interface Router {
  readonly host: Host;
  readonly configFile: string;
  process: ChildProcess;
}

const NODES = 3;
const [IPV4, IPV6] = LAB_SERVICE_IPS;
/** VRRP calls a master dead after three adverts and a little; this many are enough for the slowest to have moved. */
const ADVERTS_TO_MOVE = 4;

const instance = (
  name: string,
  id: number,
  priority: number,
  advertS: number,
  ips: readonly string[],
): string => `
vrrp_instance ${name} {
  state BACKUP
  nopreempt
  interface eth0
  virtual_router_id ${id}
  priority ${priority}
  advert_int ${advertS}
  virtual_ipaddress {
${ips.map((ip) => `    ${ip}`).join('\n')}
  }
}`;

/** Version 3, which alone knows adverts below a second and IPv6; an IPv6 router's first address is link-local. */
const configText = (name: string, priority: number, advertS: number): string =>
  [
    `global_defs {\n  router_id ${name}\n  vrrp_version 3\n}`,
    'vrrp_sync_group both {\n  group {\n    four\n    six\n  }\n}',
    instance('four', 51, priority, advertS, [`${IPV4}/24`]),
    instance('six', 52, priority, advertS, ['fe80::100/64', `${IPV6}/64`]),
    '',
  ].join('\n');

const launch = (segment: Segment, host: Host, configFile: string): ChildProcess => {
  const pid = (what: string): string => join(segment.directory, `${host.name}.${what}.pid`);
  const files = ['--use-file', configFile, '--pid', pid('main'), '--vrrp_pid', pid('vrrp')];
  return host.spawn('keepalived', ['--dont-fork', '--log-console', '--vrrp', ...files], { stdio: 'ignore' });
};

const holds = async (host: Host): Promise<boolean> => {
  const shown = await host.exec('ip', ['-br', 'address', 'show', 'dev', 'eth0']);
  return shown.includes(`${IPV4}/`) && shown.includes(`${IPV6}/`);
};

const isRunning = ({ process }: Router): boolean => process.exitCode === null && process.signalCode === null;

/** SIGKILL to parent and child: the parent alone would be noticed by the child, which would clean up. */
const killAll = (pid: number): void => {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  for (const victim of [pid, ...children.filter((text) => text !== '').map(Number)])
    process.kill(victim, 'SIGKILL');
};

const forgotten = async (segment: Segment, client: Host): Promise<void> => {
  await Promise.all(LAB_SERVICE_IPS.map((ip) => segment.setNeighbour(client, ip, '', 'none')));
};

/** Three routers that are up, one of which holds both addresses. */
export const createKeepalivedStage = async (advertS: number): Promise<KeepalivedStage> => {
  const names = Array.from({ length: NODES }, (_, index) => `n${index + 1}`);
  const segment = await createSegment({
    hosts: [
      ...names.map((name) => ({ name, role: 'node' as const })),
      ...['client', 'client2'].map((name) => ({ name, role: 'client' as const })),
    ],
  });
  const routers = names.map((name, index): Router => {
    const host = segment.hosts.get(name) as Host;
    const configFile = join(segment.directory, `${name}.keepalived.conf`);
    writeFileSync(configFile, configText(name, 150 - index * 10, advertS));
    return { host, configFile, process: launch(segment, host, configFile) };
  });
  const [client, stranger] = ['client', 'client2'].map((name) => segment.hosts.get(name)) as [Host, Host];
  const patience = 15_000 + ADVERTS_TO_MOVE * advertS * 1_000;

  const master = (): Promise<Router> =>
    waitFor('one keepalived to be master', patience, async () => {
      const running = routers.filter(isRunning);
      const states = await Promise.all(running.map(({ host }) => holds(host)));
      const masters = running.filter((_, index) => states[index]);
      if (masters.length !== 1) await sleep(50);
      return masters.length === 1 ? (masters[0] as Router) : null;
    });

  const harmIt = async (harm: Harm, owner: Router): Promise<void> => {
    if (harm === 'cut') await segment.cut(owner.host);
    else if (harm === 'crash') killAll(owner.process.pid as number);
    else owner.process.kill('SIGTERM');
  };

  const repair = async (owner: Router): Promise<void> => {
    await segment.restore(owner.host);
    if (isRunning(owner)) return;
    // What a killed keepalived leaves behind.
    for (const ip of [`${IPV4}/24`, `${IPV6}/64`, 'fe80::100/64'])
      await owner.host.exec('ip', ['address', 'del', ip, 'dev', 'eth0']).catch(() => {});
    owner.process = launch(segment, owner.host, owner.configFile);
  };

  /** The one master, when all have heard of it for a while. */
  const settledMaster = async (): Promise<Router> => {
    const owner = await master();
    await sleep(ADVERTS_TO_MOVE * advertS * 1_000 + 300);
    return owner;
  };

  const stopMaster = async (): Promise<() => Promise<void>> => {
    const owner = await master();
    await harmIt('sigterm', owner);
    await waitFor('another master', patience, async () => ((await master()) === owner ? null : true));
    return () => repair(owner);
  };

  const play = async (harm: Harm): Promise<readonly ScenarioLine[]> => {
    const owner = await settledMaster();
    const fresh = startProbe(stranger, { targets: LAB_SERVICE_IPS, periodMs: 2 });
    await fresh.ready;
    const stop = await startProbing(client);
    await harmIt(harm, owner);
    if (harm === 'crash') {
      await sleep(5);
      await forgotten(segment, stranger);
    }
    await sleep(ADVERTS_TO_MOVE * advertS * 1_000 + 700);
    const [known, unknown] = await Promise.all([stop(), fresh.stop()]);
    await repair(owner);
    return toLines(harm, '', known, ({ family }) => {
      const newcomer = unknown.find((result) => result.family === family);
      const newClientMs = Math.max(newcomer?.gapMs ?? 0, (newcomer?.rttMaxUs ?? 0) / 1_000);
      return { ok: true, ...(harm === 'crash' ? { newClientMs } : {}) };
    });
  };

  return {
    segment,
    clients: [client, stranger],
    settled: async () => {
      await settledMaster();
    },
    play,
    stopMaster,
    dispose: segment.dispose,
  };
};
