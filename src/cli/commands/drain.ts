// `holdfast drain` and `undrain`: planned moves. Prints each IP and its new owner as it moves.
import { type Command, CommandError, EXIT, type ExitCode, print, readOptions } from '../command.ts';
import type { ServiceStatus, Status } from '../daemon/status.ts';
import { askDaemon, DEFAULT_SOCKET } from '../daemon-client.ts';
import { readTimeout } from '../timeout.ts';

const POLL_MS = 10;
const readStatus = async (socket: string): Promise<Status> =>
  JSON.parse(await askDaemon(socket, 'GET', '/status')) as Status;

/** The IPs to move, or the reason why there are none. */
const targets = (status: Status, ip: string | undefined): readonly ServiceStatus[] => {
  if (ip === undefined) return status.serviceIPs.filter(({ state }) => state === 'leader');
  const service = status.serviceIPs.find((candidate) => candidate.ip === ip);
  if (service === undefined)
    throw new CommandError(EXIT.usage, `--ip ${ip}: ${status.node} has no such service IP`);
  if (service.state === 'leader') return [service];
  const holder = service.holder === null ? 'nobody holds it' : `${service.holder} holds it; run this there`;
  throw new CommandError(EXIT.no, `${ip} is not held by ${status.node}: ${holder}`);
};

const follow = async (socket: string, moving: Set<string>, timeoutMs: number): Promise<ExitCode> => {
  const until = performance.now() + timeoutMs;
  let code: ExitCode = EXIT.yes;
  while (moving.size > 0) {
    for (const { ip, state, holder, stays } of (await readStatus(socket)).serviceIPs) {
      if (!moving.has(ip)) continue;
      if (state !== 'leader') print(`${ip} ${holder ?? 'unowned'}`);
      else if (stays === null) continue;
      else {
        process.stderr.write(`holdfast: ${ip} stays: ${stays}\n`);
        code = EXIT.no;
      }
      moving.delete(ip);
    }
    if (moving.size > 0 && performance.now() > until) {
      process.stderr.write(`holdfast: ${[...moving].join(', ')} did not move within ${timeoutMs} ms\n`);
      return EXIT.no;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return code;
};

export const drain: Command = {
  summary: 'moves IPs away from this node, without losing a packet',
  help: [
    'Usage: holdfast drain [--ip IP] [--to NODE] [--patient] [--timeout D] [--socket S]',
    '',
    'Without --ip everything this node holds moves, and it takes nothing more until `holdfast undrain`, restarts',
    'included. Exit code 1 when some stayed, with the reason. D is a duration such as 30s. With --patient clients',
    'are left with this node until their connections end, for the drain window at most.',
  ].join('\n'),
  run: async (args) => {
    const { values } = readOptions(args, {
      ip: { type: 'string' },
      to: { type: 'string' },
      patient: { type: 'boolean' },
      timeout: { type: 'string' },
      socket: { type: 'string' },
    });
    const socket = values.socket ?? DEFAULT_SOCKET;
    const timeoutMs = readTimeout(values.timeout);
    const moving = targets(await readStatus(socket), values.ip).map(({ ip }) => ip);
    const style = values.patient === undefined ? {} : { patient: values.patient };
    await askDaemon(socket, 'POST', '/drain', { ip: values.ip ?? null, to: values.to ?? null, ...style });
    return await follow(socket, new Set(moving), timeoutMs);
  },
};

export const undrain: Command = {
  summary: 'lets this node take IPs again',
  help: 'Usage: holdfast undrain [--socket S]\n\nNothing moves back by itself: ownership is sticky.',
  run: async (args) => {
    const { values } = readOptions(args, { socket: { type: 'string' } });
    await askDaemon(values.socket ?? DEFAULT_SOCKET, 'POST', '/undrain');
    return EXIT.yes;
  },
};
