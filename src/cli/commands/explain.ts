// `holdfast explain`: why an IP is where it is, or nowhere, in sentences with the inputs that caused it.
import { parseIp } from '../../io/packets/address.ts';
import { addressValue } from '../../machines/addresses.ts';
import type { CoreConfig } from '../../machines/config.ts';
import { mayExplain } from '../../machines/explain-words.ts';
import type { Ip } from '../../machines/frames.ts';
import { type Ownership, ownershipOf } from '../../machines/ownership.ts';
import { type Command, CommandError, EXIT, type ExitCode, print, readOptions } from '../command.ts';
import { askDaemon } from '../daemon-client.ts';
import { reportJson, reportOn, reportText } from '../history/explain-report.ts';
import { type Journals, openJournals } from '../history/journals.ts';
import { joinNegativeMoments, requireMoment } from '../history/moments.ts';
import { readChronicles } from '../history/read-chronicles.ts';

const OPTIONS = {
  ip: { type: 'string' },
  at: { type: 'string' },
  json: { type: 'boolean' },
  socket: { type: 'string' },
} as const;
/** So many of the known IPs are named when the one asked for is not among them. */
const NAMED = 10;

const requireIp = (text: string | undefined): Ip => {
  if (text === undefined) throw new CommandError(EXIT.usage, '--ip IP is missing');
  const ip = parseIp(text);
  if (ip === null) throw new CommandError(EXIT.usage, `--ip ${text}: an IP address would be right`);
  return ip;
};

/** The journal of the daemon behind a socket: the command reads it itself, so it needs the same rights. */
const journalBehind = async (socket: string): Promise<string> => {
  const identity = JSON.parse(await askDaemon(socket, 'GET', '/identity')) as { journal?: string };
  if (identity.journal !== undefined) return identity.journal;
  throw new CommandError(EXIT.usage, `${socket}: the daemon is of a version that does not name its journal`);
};

/** Every IP that the journals' configurations name, or that ever had a state in them. */
const knownIps = ({ lives }: Journals, { lanes }: Ownership): ReadonlySet<Ip> => {
  const known = new Set<Ip>();
  const add = (config: CoreConfig | null): void => {
    for (const { ip } of config?.serviceIPs ?? []) known.add(ip);
  };
  for (const { segments } of lives) for (const { checkpoint } of segments) add(checkpoint.config);
  for (const { life } of lanes) {
    for (const { ip } of life.transitions) known.add(ip);
    for (const { input } of life.facts) if (input.type === 'config.loaded') add(input.config);
  }
  return known;
};

const distance = (a: Ip, b: Ip): bigint => {
  if (a.includes(':') !== b.includes(':')) return 1n << 129n;
  const difference = addressValue(a) - addressValue(b);
  return difference < 0n ? -difference : difference;
};

const requireKnown = (ip: Ip, known: ReadonlySet<Ip>): void => {
  if (known.has(ip)) return;
  const nearest = [...known].sort((a, b) => (distance(a, ip) < distance(b, ip) ? -1 : 1));
  const more = nearest.length > NAMED ? ` and ${nearest.length - NAMED} more` : '';
  const names = nearest.length === 0 ? 'none' : nearest.slice(0, NAMED).join(', ') + more;
  throw new CommandError(EXIT.no, `${ip} is in none of these journals; they know ${names}`);
};

export const explainCommand: Command = {
  summary: 'why an IP is where it is, from the record',
  help: [
    'Usage: holdfast explain --ip IP [--at TIME] [--json] PATH...',
    '       holdfast explain --ip IP [--at TIME] [--json] --socket S [PATH...]',
    '',
    'PATH is a journal segment (*.ndjson) or a directory of them; with those of several nodes the chain of causes',
    'crosses nodes. --socket reads the journal of the daemon behind it, beside those named.',
    '',
    '  --at TIME   when (default: at the end of the record): 2026-11-20T12:00:03.204Z, 12:00:03.204 of the last',
    '              day (UTC), or -5m before the end',
    '',
    'Exit code 1: the journals do not know the IP.',
  ].join('\n'),
  run: async (args) => {
    const { values, positionals } = readOptions(joinNegativeMoments(args, ['--at']), OPTIONS, true);
    const ip = requireIp(values.ip);
    const live = values.socket === undefined ? [] : [await journalBehind(values.socket)];
    const journals = openJournals([...live, ...positionals]);
    const { chronicles, damage } = readChronicles(journals.lives, mayExplain(ip));
    const problems = [...journals.damage, ...damage];
    if (chronicles.length === 0) {
      const [first] = problems;
      throw new CommandError(EXIT.usage, `${first?.file}:${first?.line}: ${first?.reason}`);
    }
    const ownership = ownershipOf(chronicles);
    requireKnown(ip, knownIps(journals, ownership));
    const at = requireMoment(
      '--at',
      values.at,
      journals.end,
      Math.max(...ownership.lanes.map(({ to }) => to)),
    );
    const report = reportOn(ownership, journals.lives, ip, at);
    for (const { file, line, reason } of problems)
      process.stderr.write(`holdfast: ${file}:${line}: ${reason}\n`);
    print(values.json ? JSON.stringify(reportJson(report)) : reportText(report));
    return EXIT.yes satisfies ExitCode;
  },
};
