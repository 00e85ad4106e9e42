// The nodes' second network, as racks have one: a bridge of its own in the switch's namespace, a port on it for each
// node. The API server listens there, so that a node whose service port is cut still reaches it, and says so.
import { basename } from 'node:path';
import { inNamespace } from './host.ts';
import type { Host, Segment } from './segment.ts';
import { run } from './tools.ts';

export interface Management {
  /** Where the switch itself listens on it. */
  readonly address: string;
  /** Gives a host an interface `mgmt` there. */
  join(host: Host): Promise<void>;
}

const NETWORK = '10.98.0';
const ADDRESS = `${NETWORK}.254`;
const BRIDGE = 'mgmt0';

/** Lays the network beside the segment's; it ends with the segment. */
export const layManagement = async (segment: Segment): Promise<Management> => {
  const inSwitch = (lines: readonly string[]): Promise<string> =>
    segment.switch.exec('ip', ['-batch', '-'], { input: lines.join('\n') });
  await inSwitch([
    `link add ${BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
    `addr add ${ADDRESS}/24 dev ${BRIDGE}`,
    `link set ${BRIDGE} up`,
  ]);
  return {
    address: ADDRESS,
    join: async ({ name, ipv4, netnsPath }) => {
      const port = `m-${name}`;
      await inSwitch([
        `link add name ${port} type veth peer name mgmt netns ${basename(netnsPath)}`,
        `link set ${port} master ${BRIDGE} addrgenmode none up`,
      ]);
      const last = ipv4?.split('.').at(-1);
      const batch = [
        `addr add ${NETWORK}.${last}/24 dev mgmt`,
        'link set mgmt addrgenmode none',
        'link set mgmt up',
      ];
      await run('nsenter', inNamespace(netnsPath, 'ip', ['-batch', '-']), { input: batch.join('\n') });
    },
  };
};
