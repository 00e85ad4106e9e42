// `holdfast journal export`: a bundle for a bug report.
import type { Config } from '../../io/config/config.ts';
import { type Command, CommandError, EXIT, type ExitCode, print, readOptions } from '../command.ts';
import { writeBundle } from '../history/export-bundle.ts';
import { openJournals } from '../history/journals.ts';
import { joinNegativeMoments, requireMoment } from '../history/moments.ts';
import { VERSION } from '../version.ts';
import { examineInWords } from './doctor.ts';
import { requireConfig } from './run.ts';

const OPTIONS = {
  config: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  redact: { type: 'boolean' },
  out: { type: 'string' },
  json: { type: 'boolean' },
} as const;

/** What lies between numbers is no part of a good file name. */
const defaultName = (at: number): string =>
  `holdfast-export-${new Date(at).toISOString().replaceAll(/[-:]/g, '').slice(0, 15)}Z.tar.gz`;

const write = async (options: Parameters<typeof writeBundle>[0]) => {
  try {
    return await writeBundle(options);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const line = code === 'EEXIST' ? `--out ${options.out}: it exists already; name a new file` : message;
    throw new CommandError(code === 'EACCES' || code === 'EPERM' ? EXIT.permission : EXIT.usage, line);
  }
};

export const journal: Command = {
  summary: 'export: a bundle for a bug report',
  help: [
    'Usage: holdfast journal export [--config FILE] [--from TIME] [--to TIME] [--redact] [--out FILE] [PATH...]',
    '',
    'Packs the journal segments that hold something of the window (each begins with a checkpoint, so they replay),',
    'the effective configuration without secrets, what doctor says of this host, and a manifest, into FILE',
    '(default: holdfast-export-TIME.tar.gz here). PATH defaults to journal.directory of the configuration.',
    '',
    '  --redact   replaces nodes, addresses and MACs, the same by the same throughout; what lay on one prefix lies on',
    '             one, and nodes rank as before, so that the journal still replays identically (the manifest says)',
  ].join('\n'),
  run: async ([verb, ...args]) => {
    if (verb !== 'export')
      throw new CommandError(EXIT.usage, `journal ${verb ?? ''}: there is journal export`);
    const { values, positionals } = readOptions(joinNegativeMoments(args, ['--from', '--to']), OPTIONS, true);
    const config: Config | null = values.config === undefined ? null : await requireConfig(values.config);
    if (config === null && positionals.length === 0)
      throw new CommandError(EXIT.usage, 'name the journals, or --config FILE that does');
    const paths = positionals.length > 0 ? positionals : [(config as Config).journal.directory];
    const { files, end } = openJournals(paths);
    const madeAt = Date.now();
    const out = values.out ?? defaultName(madeAt);
    const { segments, inputs, isIdentical, keepsRanks } = await write({
      files,
      window: {
        from: requireMoment('--from', values.from, end, Number.NEGATIVE_INFINITY),
        to: requireMoment('--to', values.to, end, Number.POSITIVE_INFINITY),
      },
      isRedacted: values.redact ?? false,
      config,
      doctor: await examineInWords(config),
      version: VERSION,
      madeAt,
      out,
    });
    if (values.json)
      print(JSON.stringify({ file: out, segments, inputs, identical: isIdentical, ranksKept: keepsRanks }));
    else {
      print(
        `${out}: ${segments} segments, ${inputs} inputs; they replay ${isIdentical ? '' : 'not '}identical`,
      );
      if (keepsRanks === false)
        print(
          'not every address could be replaced so that nodes rank as before: too many nodes or addresses',
        );
    }
    return EXIT.yes satisfies ExitCode;
  },
};
