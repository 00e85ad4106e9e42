// `holdfast top`: the overview of the page in a terminal, live; without a terminal one plain table.
import { ReadStream, WriteStream } from 'node:tty';
import type { Told, ToldRow } from '../../ui/rows.ts';
import { createRows } from '../../ui/rows.ts';
import { type Command, CommandError, EXIT, type ExitCode, print, readOptions } from '../command.ts';
import type { Status } from '../daemon/status.ts';
import { askDaemon, DEFAULT_SOCKET } from '../daemon-client.ts';
import { followEvents } from '../top/event-stream.ts';
import {
  FIRST_LOOKS,
  type Looks,
  pressed,
  readOrder,
  type Shown,
  scrolled,
  shownOf,
} from '../top/overview.ts';
import { drawScreen, pageRows, plainTable, type Scene } from '../top/screen.ts';
import { type Terminal, takeTerminal } from '../top/terminal.ts';

/** News within so long are drawn together: ten pictures a second are more than an eye needs. */
const GATHER_MS = 100;
/** Clocks go on without news. */
const TICK_MS = 1_000;

const printOnce = async (socket: string, looks: Looks): Promise<ExitCode> => {
  const { serviceIPs, ...node } = JSON.parse(await askDaemon(socket, 'GET', '/status')) as Status;
  const rows = createRows();
  rows.take([...serviceIPs, { kind: 'node', operable: false, ...node }]);
  print(plainTable({ shown: shownOf(rows.told(), looks), now: Date.now() }));
  return EXIT.yes;
};

/** Draws until somebody ends it; gives the exit code. */
const live = (
  { stdin, stdout }: { readonly stdin: ReadStream; readonly stdout: WriteStream },
  socket: string,
  firstLooks: Looks,
  isColoured: boolean,
): Promise<ExitCode | number> =>
  new Promise((resolve) => {
    const rows = createRows();
    let looks = firstLooks;
    let away: Scene['away'] = null;
    /** The daemon's clock minus this one. */
    let offset = 0;
    let drawing: NodeJS.Timeout | null = null;
    /** Made again when what is known or looked for changes, not for each picture. */
    let made: { readonly told: Told; readonly looks: Looks; readonly shown: Shown | null } | null = null;
    let told: Told = { ...rows.told() };

    const scene = (): Scene => {
      const { filter, order } = looks;
      if (made === null || made.told !== told || made.looks.filter !== filter || made.looks.order !== order)
        made = { told, looks, shown: shownOf(told, looks) };
      return { shown: made.shown, looks, now: Date.now() + offset, away, isColoured };
    };
    const extent = () => {
      const now = scene();
      return { page: pageRows(now, terminal.size()), rows: now.shown?.ips.length ?? 0 };
    };
    const draw = (): void => {
      if (drawing !== null) clearTimeout(drawing);
      drawing = null;
      looks = scrolled(looks, 0, extent());
      terminal.show(drawScreen(scene(), terminal.size()));
    };
    const drawSoon = (): void => {
      drawing ??= setTimeout(draw, GATHER_MS);
    };
    const end = (code: number): void => {
      terminal.leave();
      stream.close();
      clearInterval(ticking);
      if (drawing !== null) clearTimeout(drawing);
      stdin.pause();
      resolve(code);
    };
    const terminal: Terminal = takeTerminal(stdin, stdout, {
      key: (key) => {
        const after = pressed(looks, key, extent());
        looks = after.looks;
        if (after.wish === 'quit') return end(EXIT.yes);
        if (after.wish === 'suspend') return terminal.suspend();
        draw();
      },
      draw,
      end,
    });
    const stream = followEvents(socket, '/api/v1/events', {
      event: (type, data) => {
        away = null;
        if (type === 'reset') rows.reset();
        else if (type === 'rows') rows.take(JSON.parse(data) as ToldRow[]);
        else if (type === 'upto' && data === 'true') rows.whole();
        else if (type === 'tick') offset = Number(data) - Date.now();
        told = { ...rows.told() };
        drawSoon();
      },
      away: (why) => {
        away ??= { why, since: Date.now() + offset };
        drawSoon();
      },
    });
    const ticking = setInterval(draw, TICK_MS);
    draw();
  });

const readSort = (text: string, isDescending: boolean): Looks['order'] => {
  const order = readOrder(text, isDescending);
  if (order !== null) return order;
  throw new CommandError(EXIT.usage, `--sort ${text}: ip, state, holder, since or why would be right`);
};

export const top: Command = {
  summary: 'nodes and service IPs in the terminal, live',
  help: [
    'Usage: holdfast top [--once] [--filter WORDS] [--sort COLUMN] [--reverse] [--socket S]',
    '',
    'What the page shows, for those on an ssh line: nodes and how they are heard, service IPs with state, holder,',
    'since when and why. Without a terminal (a pipe, TERM=dumb) or with --once: one plain table.',
    '',
    '  --filter WORDS   only IPs whose address, state, holder or reason has all of these',
    '  --sort COLUMN    ip, state, holder, since or why',
    '  --reverse        the other way round',
    '',
    'Keys: q quits, / types a filter (Enter ends, Esc clears), s and 1 to 5 sort, r the other way round; arrows, j, k,',
    'space, PgUp, PgDn, Home, End, g and G scroll. No colour with NO_COLOR.',
  ].join('\n'),
  run: async (args) => {
    const { values } = readOptions(args, {
      once: { type: 'boolean', default: false },
      filter: { type: 'string', default: '' },
      sort: { type: 'string', default: FIRST_LOOKS.order.column },
      reverse: { type: 'boolean', default: false },
      socket: { type: 'string' },
    });
    const socket = values.socket ?? DEFAULT_SOCKET;
    const looks: Looks = {
      ...FIRST_LOOKS,
      filter: values.filter,
      order: readSort(values.sort, values.reverse),
    };
    const { stdin, stdout, env } = process;
    const isTerminal = stdin instanceof ReadStream && stdout instanceof WriteStream && env.TERM !== 'dumb';
    if (values.once || !isTerminal) return await printOnce(socket, looks);
    // A daemon that is not there from the start is an answer, not a picture.
    await askDaemon(socket, 'GET', '/identity');
    return (await live({ stdin, stdout }, socket, looks, (env.NO_COLOR ?? '') === '')) as ExitCode;
  },
};
