// `holdfast status`: what the daemon on this host knows, as a table or as JSON.
import { type Command, EXIT, print, readOptions } from '../command.ts';
import type { Status } from '../daemon/status.ts';
import { askDaemon, DEFAULT_SOCKET } from '../daemon-client.ts';
import { table } from '../table.ts';

const describe = (status: Status): string => {
  const drained = status.drained ? ', drained' : '';
  const health = `${status.node}: ${status.ready ? 'ready' : 'not ready yet'}${drained}, holdfast ${status.version}`;
  const links = status.interfaces.map(({ name, mac, up, answered }) => [
    name,
    mac,
    up ? 'up' : 'down',
    String(answered),
  ]);
  const ips = status.serviceIPs.map(({ ip, state, holder, since, interface: name, reason }) => [
    ip,
    state,
    holder ?? '-',
    name ?? '-',
    since,
    reason,
  ]);
  const peers = status.peers.map(({ node, interface: name, state, lastHeardMs }) => [
    node,
    name,
    state,
    `${lastHeardMs} ms ago`,
  ]);
  const parts = [
    health,
    table([['INTERFACE', 'MAC', 'LINK', 'ANSWERED'], ...links]),
    table([['PEER', 'INTERFACE', 'STATE', 'LAST HEARD'], ...peers]),
    table([['SERVICE IP', 'STATE', 'HOLDER', 'INTERFACE', 'SINCE', 'REASON'], ...ips]),
  ];
  if (status.findings.length > 0)
    parts.push(['Findings:', ...status.findings.map((text) => `- ${text}`)].join('\n'));
  return parts.join('\n\n');
};

export const status: Command = {
  summary: 'what this node knows',
  help: `Usage: holdfast status [--json] [--socket S]\n\nS is the daemon's control socket, ${DEFAULT_SOCKET} by default.`,
  run: async (args) => {
    const { values } = readOptions(args, { json: { type: 'boolean' }, socket: { type: 'string' } });
    const body = await askDaemon(values.socket ?? DEFAULT_SOCKET, 'GET', '/status');
    print(values.json ? body.trimEnd() : describe(JSON.parse(body) as Status));
    return EXIT.yes;
  },
};
