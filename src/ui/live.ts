// The page's ear: server-sent events into signals, drawn at most once a frame. When the daemon falls silent it says
// so and goes on trying; a browser resumes by itself, from the last id.
import { signal } from '@preact/signals';
import { createRows, type Told, type ToldMove, type ToldRow } from './rows.ts';

export type Link = 'connecting' | 'live' | 'away';

/** The daemon says something every two seconds; after this it, or the way to it, is gone. */
const SILENT_MS = 6_000;
/** A refusal (too many pages) ends a browser's own trying: then the page asks again. */
const AGAIN_MS = 3_000;
/** Moves that the page remembers, of all IPs. */
const MAX_MOVES = 1_000;

const rows = createRows();
let moves: ToldMove[] = [];
let heardAt = performance.now();
let isFrameDue = false;

export const link = signal<Link>('connecting');
export const told = signal<Told>({ ...rows.told() });
/** Oldest first. */
export const recentMoves = signal<readonly ToldMove[]>([]);
/** The daemon's clock minus this browser's, milliseconds. */
export const clockOffset = signal(0);
/** This browser's clock, every second. */
export const clock = signal(Date.now());

const draw = (): void => {
  isFrameDue = false;
  told.value = { ...rows.told() };
  recentMoves.value = moves;
};

const drawSoon = (): void => {
  if (isFrameDue) return;
  isFrameDue = true;
  // A page in the background has no frames; it is drawn when somebody looks.
  requestAnimationFrame(draw);
};

const connect = (): void => {
  const source = new EventSource('/api/v1/events');
  const on = (type: string, take: (data: string) => void): void => {
    source.addEventListener(type, (event) => {
      heardAt = performance.now();
      if (link.value !== 'live') link.value = 'live';
      take((event as MessageEvent<string>).data);
    });
  };
  on('reset', () => {
    rows.reset();
    moves = [];
  });
  on('rows', (data) => {
    rows.take(JSON.parse(data) as ToldRow[]);
    drawSoon();
  });
  on('moves', (data) => {
    moves = [...moves, ...(JSON.parse(data) as ToldMove[])].slice(-MAX_MOVES);
    drawSoon();
  });
  on('upto', (isLast) => {
    if (isLast === 'true') rows.whole();
    drawSoon();
  });
  on('tick', (data) => {
    clockOffset.value = Number(data) - Date.now();
  });
  const watch = setInterval(() => {
    clock.value = Date.now();
    if (performance.now() - heardAt > SILENT_MS) away();
  }, 1_000);
  const away = (): void => {
    link.value = 'away';
    if (source.readyState !== EventSource.CLOSED && performance.now() - heardAt < 2 * SILENT_MS) return;
    source.close();
    clearInterval(watch);
    heardAt = performance.now();
    setTimeout(connect, AGAIN_MS);
  };
  source.addEventListener('error', away);
};

export const startLive = (): void => connect();
