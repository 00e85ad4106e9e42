// `kubectl holdfast explain`: what the ServiceIP object and the Services' Events say of an address. What caused it in
// full is in the nodes' journals (`holdfast explain`).
import { z } from 'zod';
import { readServiceIp } from '../../io/config/service-address.ts';
import { optional } from '../../io/kubernetes/objects/reading.ts';
import { EVENTS } from '../../io/kubernetes/resource.ts';
import { type Command, CommandError, EXIT, print, readOptions } from '../command.ts';
import { CONNECTION_HELP, CONNECTION_OPTIONS, type Connection, withConnection } from './connection.ts';
import { readServiceIpRow, type ServiceIpRow, serviceName } from './service-ip-rows.ts';

const eventSchema = z.object({
  involvedObject: z.object({ kind: z.string(), name: z.string() }),
  reason: z.string(),
  message: z.string(),
  lastTimestamp: optional(z.string()),
});

interface ToldEvent {
  readonly at: string | null;
  readonly service: string;
  readonly reason: string;
  readonly message: string;
}

/** Events of the Services that have the address, and that name it; the oldest first. */
const eventsOf = async (
  connection: Connection,
  { ip, services }: ServiceIpRow,
): Promise<readonly ToldEvent[]> => {
  const told: ToldEvent[] = [];
  for (const namespace of new Set(services.map((service) => service.namespace))) {
    const names = services.filter((service) => service.namespace === namespace).map(({ name }) => name);
    for (const raw of await connection.list(EVENTS, namespace)) {
      const { data } = eventSchema.safeParse(raw);
      if (data === undefined || data.involvedObject.kind !== 'Service') continue;
      const { name } = data.involvedObject;
      // The address alone, not one that begins with it.
      const isNamed = data.message.split(/[\s,;()]+/).some((word) => word.replace(/[.:]$/, '') === ip);
      if (!names.includes(name) || !isNamed) continue;
      const { lastTimestamp: at, reason, message } = data;
      told.push({ at, service: serviceName({ namespace, name }), reason, message });
    }
  }
  return told.sort((a, b) => (a.at ?? '').localeCompare(b.at ?? ''));
};

const sentences = (row: ServiceIpRow, events: readonly ToldEvent[]): readonly string[] => {
  const { ip, holder, state, epoch, weak, since, reason, services, draining } = row;
  const when = since === null ? '' : ` since ${since}`;
  const where =
    row.interface === null ? '' : `, on ${row.interface}${row.mac === null ? '' : ` (${row.mac})`}`;
  const claim = epoch === null ? state : `${state}, epoch ${epoch}${weak ? ', weak' : ''}`;
  const lines = [
    holder === null
      ? `${ip}: nobody holds it${reason === null ? '' : `: ${reason}`}`
      : `${ip}: ${holder} holds it (${claim})${when}${where}${reason === null ? '' : `: ${reason}`}`,
    services.length === 0
      ? 'It is reserved for no Service.'
      : `It is reserved for ${services.map(serviceName).join(' and ')}.`,
  ];
  if (draining.length > 0) lines.push(`At the last move ${draining.join(' and ')} still carried clients.`);
  lines.push('', events.length === 0 ? 'No Event that is still kept names it.' : 'Events:');
  for (const event of events)
    lines.push(`  ${event.at ?? '-'}  ${event.service}  ${event.reason}: ${event.message}`);
  return lines;
};

export const explain: Command = {
  summary: 'what the ServiceIP object and the Events say of an IP',
  help: [
    'Usage: kubectl holdfast explain IP [--json] [--kubeconfig FILE]',
    '',
    'Kubernetes keeps Events for an hour. Which inputs caused a move is in the journals of the nodes: `holdfast explain`.',
    CONNECTION_HELP,
  ].join('\n'),
  run: async (args) => {
    const options = { json: { type: 'boolean' }, ...CONNECTION_OPTIONS } as const;
    const { values, positionals } = readOptions(args, options, true);
    const [text, ...others] = positionals;
    if (text === undefined || others.length > 0)
      throw new CommandError(EXIT.usage, 'name one IP; try --help');
    const ip = readServiceIp(text);
    if ('wrong' in ip) throw new CommandError(EXIT.usage, `${ip.wrong}; ${ip.right}`);
    return await withConnection(values, async (connection) => {
      const row = await readServiceIpRow(connection, ip.value);
      if (row === null) throw new CommandError(EXIT.no, `${ip.value} is no service IP of this cluster`);
      const events = await eventsOf(connection, row);
      if (values.json) print(JSON.stringify({ ...row, events }));
      else for (const line of sentences(row, events)) print(line);
      return EXIT.yes;
    });
  },
};
