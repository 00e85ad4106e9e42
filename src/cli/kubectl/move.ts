// `kubectl holdfast move`: the Service's annotation, and how its addresses get to the Node. Daemons heed the annotation
// when it appears, so an equal one is removed first, and so is one of a Service that shares the address.
import { setTimeout as sleep } from 'node:timers/promises';
import { readServiceIp } from '../../io/config/service-address.ts';
import { MOVE_TO } from '../../io/kubernetes/objects/annotations.ts';
import { readService } from '../../io/kubernetes/objects/service.ts';
import { NODES, SERVICES } from '../../io/kubernetes/resource.ts';
import type { ServiceFact } from '../../machines/cluster/cluster-facts.ts';
import { type Command, CommandError, EXIT, print, readOptions } from '../command.ts';
import { readTimeout } from '../timeout.ts';
import {
  CONNECTION_HELP,
  CONNECTION_OPTIONS,
  type Connection,
  type Place,
  withConnection,
} from './connection.ts';
import { followMoves } from './following.ts';
import { readServiceIpRow, type ServiceIpRow, serviceName } from './service-ip-rows.ts';

/** A daemon gathers changes for a moment: removed and set within it would be no change. */
const UNSET_MS = 1_000;

type ServicePlace = Required<Place>;

const readPlace = async (connection: Connection, place: ServicePlace): Promise<ServiceFact> => {
  const raw = await connection.read(SERVICES, place.name, place.namespace);
  if (raw === null) throw new CommandError(EXIT.no, `there is no Service ${serviceName(place)}`);
  const read = readService(raw);
  if ('wrong' in read) throw new CommandError(EXIT.no, read.wrong);
  return read.value;
};

/** The Service that bears the address, or is named: `web`, `shop/web`. */
const placeOf = async (
  connection: Connection,
  what: string,
  option: string | undefined,
): Promise<ServicePlace> => {
  const ip = readServiceIp(what);
  if ('value' in ip) {
    const row = await readServiceIpRow(connection, ip.value);
    const [service] = row?.services ?? [];
    if (service === undefined)
      throw new CommandError(EXIT.no, `${ip.value} is no service IP that a Service of this cluster has`);
    return service;
  }
  const [first = '', second, ...rest] = what.split('/');
  if (rest.length > 0 || first === '' || second === '')
    throw new CommandError(EXIT.usage, `${what}: an IP, a Service, or NAMESPACE/SERVICE would be right`);
  if (second !== undefined) return { namespace: first, name: second };
  return { namespace: option ?? connection.namespace ?? 'default', name: first };
};

/** Every Service that shares one of these addresses. */
const sharersOf = (rows: readonly ServiceIpRow[]): readonly ServicePlace[] => [
  ...new Map(rows.flatMap(({ services }) => services).map((each) => [serviceName(each), each])).values(),
];

/** Without any that says where these addresses are to be, the next one that does is news. */
const forget = async (connection: Connection, places: readonly ServicePlace[]): Promise<void> => {
  let isAny = false;
  for (const place of places) {
    const raw = await connection.read(SERVICES, place.name, place.namespace);
    const { annotations = {} } = (raw?.metadata ?? {}) as { annotations?: Record<string, string> };
    if (annotations[MOVE_TO] === undefined) continue;
    isAny = (await connection.annotate(SERVICES, place, MOVE_TO, null)) || isAny;
  }
  if (isAny) await sleep(UNSET_MS);
};

export const move: Command = {
  summary: "moves a Service's IPs to a Node",
  help: [
    'Usage: kubectl holdfast move SERVICE|IP --to NODE [-n NAMESPACE] [--timeout D] [--kubeconfig FILE]',
    '',
    'SERVICE is NAMESPACE/NAME, or NAME in NAMESPACE or in that of the context. All IPs of the Service move; with an IP,',
    `those of the Service that has it. Sets the Service's annotation ${MOVE_TO} and waits until the ServiceIP objects`,
    'name NODE: D at most, 30s by default. Exit code 1 when some stay.',
    CONNECTION_HELP,
  ].join('\n'),
  run: async (args) => {
    const { values, positionals } = readOptions(
      args,
      {
        to: { type: 'string' },
        namespace: { type: 'string', short: 'n' },
        timeout: { type: 'string' },
        ...CONNECTION_OPTIONS,
      },
      true,
    );
    const [what, ...others] = positionals;
    const { to } = values;
    if (what === undefined || others.length > 0)
      throw new CommandError(EXIT.usage, 'name one Service or IP; try --help');
    if (to === undefined) throw new CommandError(EXIT.usage, '--to NODE is missing');
    const timeoutMs = readTimeout(values.timeout);
    return await withConnection(values, async (connection) => {
      const place = await placeOf(connection, what, values.namespace);
      const { ingressIps } = await readPlace(connection, place);
      if (ingressIps.length === 0) throw new CommandError(EXIT.no, `${serviceName(place)} has no address`);
      if ((await connection.read(NODES, to)) === null)
        throw new CommandError(EXIT.no, `there is no Node ${to}`);
      const rows: ServiceIpRow[] = [];
      for (const ip of ingressIps) {
        const row = await readServiceIpRow(connection, ip);
        if (row === null)
          throw new CommandError(EXIT.no, `${ip} has no ServiceIP object, so nobody says who holds it`);
        rows.push(row);
      }
      const isThere = ({ holder }: ServiceIpRow): boolean => holder === to;
      if (rows.every(isThere)) {
        for (const { ip } of rows) print(`${ip} ${to}`);
        return EXIT.yes;
      }
      await forget(connection, [place, ...sharersOf(rows)]);
      await connection.annotate(SERVICES, place, MOVE_TO, to);
      return await followMoves(connection, { moving: ingressIps, all: false, isDone: isThere, timeoutMs });
    });
  },
};
