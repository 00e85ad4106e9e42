// `kubectl holdfast status`: every service IP of the cluster with its holder, and which Nodes are drained.
import { readNode } from '../../io/kubernetes/objects/node.ts';
import { NODES } from '../../io/kubernetes/resource.ts';
import { type Command, EXIT, print, readOptions } from '../command.ts';
import { table } from '../table.ts';
import { CONNECTION_HELP, CONNECTION_OPTIONS, type Connection, withConnection } from './connection.ts';
import { listServiceIps, type ServiceIpRow, serviceName } from './service-ip-rows.ts';

const HEAD = ['IP', 'STATE', 'HOLDER', 'EPOCH', 'SINCE', 'SERVICES', 'REASON'];

const cellsOf = ({ ip, state, holder, epoch, weak, since, services, reason }: ServiceIpRow) => [
  ip,
  state,
  holder ?? '-',
  epoch === null ? '-' : `${epoch}${weak ? ' weak' : ''}`,
  since ?? '-',
  services.map(serviceName).join() || '-',
  reason ?? '-',
];

interface Drained {
  readonly node: string;
  /** `configured`: as the daemon's configuration says. */
  readonly style: string;
}

const drainedNodes = async (connection: Connection): Promise<readonly Drained[]> =>
  (await connection.list(NODES)).flatMap((raw) => {
    const read = readNode(raw);
    return 'value' in read && read.value.drain !== null
      ? [{ node: read.value.name, style: read.value.drain }]
      : [];
  });

export const status: Command = {
  summary: 'who holds which service IP, and which Nodes are drained',
  help: `Usage: kubectl holdfast status [--json] [--kubeconfig FILE]\n\n${CONNECTION_HELP}`,
  run: async (args) => {
    const { values } = readOptions(args, { json: { type: 'boolean' }, ...CONNECTION_OPTIONS });
    return await withConnection(values, async (connection) => {
      const [serviceIPs, drained] = [await listServiceIps(connection), await drainedNodes(connection)];
      if (values.json) print(JSON.stringify({ serviceIPs, drained }));
      else {
        print(table([HEAD, ...serviceIPs.map(cellsOf)]));
        const names = drained.map(({ node, style }) =>
          style === 'configured' ? node : `${node} (${style})`,
        );
        if (names.length > 0) print(`\nDrained by annotation: ${names.join(', ')}`);
      }
      return EXIT.yes;
    });
  },
};
