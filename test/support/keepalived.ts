// keepalived (VRRP 3, Debian's package) on a host of the lab, with the lab's service IPs: what shadow mode runs beside.
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../../src/cli/lab/lab-node.ts';
import type { Host, Segment } from '../../src/cli/lab/segment.ts';
import { LAB_SERVICE_IPS } from '../../src/cli/lab/stage.ts';

const [IPV4, IPV6] = LAB_SERVICE_IPS;

const instance = (name: string, id: number, priority: number, ips: readonly string[]): string =>
  [
    `vrrp_instance ${name} {`,
    '  state BACKUP',
    '  nopreempt',
    '  interface eth0',
    `  virtual_router_id ${id}`,
    `  priority ${priority}`,
    '  advert_int 1',
    '  virtual_ipaddress {',
    ...ips.map((ip) => `    ${ip}`),
    '  }',
    '}',
  ].join('\n');

/** Starts it; it ends with the segment. The first address of an IPv6 router is link-local. */
export const startKeepalived = (segment: Segment, host: Host, priority: number): ChildProcess => {
  const file = (what: string): string => join(segment.directory, `${host.name}.keepalived.${what}`);
  const text = [
    `global_defs {\n  router_id ${host.name}\n  vrrp_version 3\n}`,
    'vrrp_sync_group both {\n  group {\n    four\n    six\n  }\n}',
    instance('four', 51, priority, [`${IPV4}/24`]),
    instance('six', 52, priority, ['fe80::100/64', `${IPV6}/64`]),
    '',
  ].join('\n');
  writeFileSync(file('conf'), text);
  const files = ['--use-file', file('conf'), '--pid', file('pid'), '--vrrp_pid', file('vrrp.pid')];
  return host.spawn('keepalived', ['--dont-fork', '--log-console', '--vrrp', ...files], { stdio: 'ignore' });
};

const isMaster = async (host: Host): Promise<boolean> => {
  const shown = await host.exec('ip', ['-br', 'address', 'show', 'dev', 'eth0']);
  return shown.includes(`${IPV4}/`) && shown.includes(`${IPV6}/`);
};

/** Waits until one of these hosts is the master; gives it. */
export const masterOf = (hosts: readonly Host[]): Promise<Host> =>
  waitFor('a keepalived to be master', 30_000, async () => {
    for (const host of hosts) if (await isMaster(host)) return host;
    return null;
  });
