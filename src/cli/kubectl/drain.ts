// `kubectl holdfast drain` and `undrain`: the Node's annotation, and how its service IPs leave.
import { setTimeout as sleep } from 'node:timers/promises';
import { DRAIN } from '../../io/kubernetes/objects/annotations.ts';
import { NODES } from '../../io/kubernetes/resource.ts';
import { type Command, CommandError, EXIT, print, readOptions } from '../command.ts';
import { readTimeout } from '../timeout.ts';
import { CONNECTION_HELP, CONNECTION_OPTIONS, withConnection } from './connection.ts';
import { followMoves } from './following.ts';
import { listServiceIps, type ServiceIpRow } from './service-ip-rows.ts';

const oneNode = ([node, ...others]: readonly string[]): string => {
  if (node === undefined || others.length > 0)
    throw new CommandError(EXIT.usage, 'name one Node; try --help');
  return node;
};

const noNode = (node: string): CommandError => new CommandError(EXIT.no, `there is no Node ${node}`);

/** A node that takes an IP just now has not read the annotation yet. */
const LAST_TAKES_MS = 500;

export const drain: Command = {
  summary: "moves a Node's service IPs away; it takes none until undrain",
  help: [
    'Usage: kubectl holdfast drain NODE [--patient] [--timeout D] [--kubeconfig FILE]',
    '',
    `Sets the Node's annotation ${DRAIN}, prints each IP and its new holder as it moves, and waits until none names the`,
    'Node: D at most, 30s by default. Exit code 1 when some stay. With --patient clients are left with the Node until',
    'their connections end, for the drain window at most.',
    CONNECTION_HELP,
  ].join('\n'),
  run: async (args) => {
    const options = {
      patient: { type: 'boolean' },
      timeout: { type: 'string' },
      ...CONNECTION_OPTIONS,
    } as const;
    const { values, positionals } = readOptions(args, options, true);
    const node = oneNode(positionals);
    const timeoutMs = readTimeout(values.timeout);
    return await withConnection(values, async (connection) => {
      const isDone = ({ holder }: ServiceIpRow): boolean => holder !== node;
      const held = (await listServiceIps(connection)).filter((row) => !isDone(row));
      const style = values.patient ? 'patient' : 'true';
      if (!(await connection.annotate(NODES, { name: node }, DRAIN, style))) throw noNode(node);
      const wanted = { moving: held.map(({ ip }) => ip), all: true, isDone, timeoutMs };
      const code = await followMoves(connection, wanted);
      if (code !== EXIT.yes) return code;
      await sleep(LAST_TAKES_MS);
      return await followMoves(connection, { ...wanted, moving: [] });
    });
  },
};

export const undrain: Command = {
  summary: 'lets a Node hold service IPs again',
  help: [
    'Usage: kubectl holdfast undrain NODE [--kubeconfig FILE]',
    '',
    `Removes the Node's annotation ${DRAIN}. Nothing moves back by itself: ownership is sticky.`,
    CONNECTION_HELP,
  ].join('\n'),
  run: async (args) => {
    const { values, positionals } = readOptions(args, CONNECTION_OPTIONS, true);
    const node = oneNode(positionals);
    return await withConnection(values, async (connection) => {
      if (!(await connection.annotate(NODES, { name: node }, DRAIN, null))) throw noNode(node);
      print(`${node} may hold service IPs again`);
      return EXIT.yes;
    });
  },
};
