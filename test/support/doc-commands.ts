// The commands of the documentation, and how each is known to do what the page says: run by a test, or excused with a
// reason. A command that is in no row fails the test of the docs, and so does a row that no page needs any more.
import type { SourcePage } from '../../scripts/docs-pages.ts';

export interface DocCommand {
  readonly page: string;
  /** Without its comment; with the lines of its here-document. */
  readonly text: string;
  /** What the page shows below it; empty in `sh` blocks. */
  readonly shown: readonly string[];
}

const SHELL = /^(sh|bash|console)$/;
const uncommented = (line: string): string => line.replace(/\s+#\s.*$/, '').trimEnd();

const inScript = (page: string, text: string): DocCommand[] => {
  const commands: DocCommand[] = [];
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const line = uncommented(lines[at] as string);
    if (line === '' || line.startsWith('#')) continue;
    const end = /<<'?(\w+)'?/.exec(line)?.[1];
    const body: string[] = [];
    while (end !== undefined && lines[at] !== end && at + 1 < lines.length) {
      at += 1;
      body.push(lines[at] as string);
    }
    commands.push({ page, text: [line, ...body].join('\n'), shown: [] });
  }
  return commands;
};

const inConsole = (page: string, text: string): DocCommand[] =>
  text
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [line = '', ...shown] = part.trimEnd().split('\n');
      return { page, text: uncommented(line), shown };
    });

/** Every command in a fence of the pages. */
export const docCommands = (pages: readonly SourcePage[]): readonly DocCommand[] =>
  pages.flatMap(({ path, code }) =>
    code
      .filter(({ lang }) => SHELL.test(lang ?? ''))
      .flatMap(({ lang, text }) => (lang === 'console' ? inConsole(path, text) : inScript(path, text))),
  );

/** `here`: test/unit/docs/commands.test.ts runs it; `block`: it does, with the lines that stand around it; `segment`:
 * test/wire/docs.test.ts does, in namespaces. */
export type How = 'here' | 'block' | 'segment' | { readonly because: string };

const CLUSTER =
  'needs kubectl and a cluster; test/kube and test/unit/deploy apply the same objects to an API server';
const SIM = 'takes minutes, or as long as it is told; test/sim plays kept seeds and every option';
const RELEASE =
  'takes a minute and installs into a root; test/wire/release.test.ts and npm run release:try do it';
const IMAGE = 'needs buildah and a registry; npm run image:try builds and runs the image';

/** The first row that matches says how. */
export const WAYS: readonly (readonly [RegExp, How])[] = [
  [
    /^(bin\/)?holdfast (run|doctor|status|drain|undrain|top)\b|^bin\/holdfast explain .* --socket /,
    'segment',
  ],
  [/^key\(\) |^kubectl .* get secret .*> keys$|(>> keys|> k && mv k keys) && key$|^rm keys$/, 'block'],
  [/^(bin\/)?holdfast (explain|timeline|replay|journal export|key new|diagram|check)\b|^chmod /, 'here'],
  [/^(ping|arping|curl) /, 'segment'],
  [/^kubectl /, { because: CLUSTER }],
  [/^npm run lab$/, { because: 'plays for half a minute; test/wire/cluster-lab.test.ts runs the tour' }],
  [/^npm run sim /, { because: SIM }],
  [/^npm run image|^buildah /, { because: IMAGE }],
  [/^npm run release|^sha256sum |^tar xzf |install\.sh$|install -o holdfast/, { because: RELEASE }],
  [
    /^systemctl /,
    { because: 'needs systemd as process 1; npm run release:try boots one (scripts/try-release-systemd.sh)' },
  ],
  [
    /^HOLDFAST_REWRITE=1 npm run test:unit/,
    { because: 'writes the page; without the variable it is a test of its own' },
  ],
];

/** Null: nobody has said how. */
export const howOf = ({ text }: DocCommand): How | null =>
  WAYS.find(([pattern]) => pattern.test(text))?.[1] ?? null;
