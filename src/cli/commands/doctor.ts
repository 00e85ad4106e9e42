// `holdfast doctor`: is this host fit to hold service IPs? Looks at everything that has made a service IP dark
// while all looked healthy, and says what would be right. Changes nothing.
import type { Config } from '../../io/config/config.ts';
import { parseConfig } from '../../io/config/load-config.ts';
import { type Command, CommandError, EXIT, type ExitCode, print, readOptions } from '../command.ts';
import { checkFiles } from '../doctor/files.ts';
import type { Finding } from '../doctor/finding.ts';
import { viewHost } from '../doctor/host-view.ts';
import { checkLinks } from '../doctor/links.ts';
import { checkRights } from '../doctor/rights.ts';
import { checkSysctls } from '../doctor/sysctls.ts';
import { checkWire } from '../doctor/wire.ts';
import { requireConfig } from './run.ts';

/** Where no daemon runs: sixty hellos of each node at the default interval, and one refresh in twenty. */
const LISTEN_MS = 3_000;

/** What the daemon would take for granted. */
const defaults = (): Config => {
  const parsed = parseConfig('serviceIPs: []', 'defaults', 'localhost');
  if (!parsed.ok) throw new Error(parsed.problems.map(({ text }) => text).join('\n'));
  return parsed.config;
};

const examine = async (config: Config): Promise<Finding[]> => {
  const view = viewHost(config);
  return [...checkRights(config), ...checkLinks(view), ...checkSysctls(view), ...(await checkFiles(config))];
};

const line = ({ level, code, what, right }: Finding): string =>
  `${level.padEnd(4)}  ${code.padEnd(13)}  ${what}${right === null ? '' : `; right: ${right}`}`;

/** What doctor prints, for a bundle. */
export const examineInWords = async (config: Config | null): Promise<string> =>
  (await examine(config ?? defaults())).map((finding) => `${line(finding)}\n`).join('');

export const doctor: Command = {
  summary: 'checks this host: rights, interfaces, kernel settings, files',
  help: [
    'Usage: holdfast doctor [--config FILE] [--wire [--socket S]] [--json]',
    '',
    'One line a finding: ok, warn or fail, a code, what was found, what would be right. Without FILE: this host with',
    'the defaults. Nothing is changed. Exit code 1 when something fails.',
    '',
    '--wire: do hellos pass between the nodes, both ways and on time, and will clients follow a move? From what the',
    'daemon of this host has seen, and by ARP probes for at most 16 service IPs; where none runs it listens for three',
    'seconds and sends nothing. The last line says what was sent.',
  ].join('\n'),
  run: async (args): Promise<ExitCode> => {
    const { values } = readOptions(args, {
      config: { type: 'string' },
      json: { type: 'boolean' },
      wire: { type: 'boolean' },
      socket: { type: 'string' },
    });
    if (values.socket !== undefined && !values.wire)
      throw new CommandError(EXIT.usage, '--socket: it is asked with --wire only');
    const config = values.config === undefined ? defaults() : await requireConfig(values.config);
    const findings = [
      ...(await examine(config)),
      ...(values.wire ? await checkWire(config, values.socket ?? config.control, LISTEN_MS) : []),
    ];
    const isFit = findings.every(({ level }) => level !== 'fail');
    if (values.json) print(JSON.stringify({ ok: isFit, findings }));
    else for (const finding of findings) print(line(finding));
    return isFit ? EXIT.yes : EXIT.no;
  },
};
