// What the page is told while it is open: the node's row, one row for each service IP, and the moves. News marks
// rows to look at again; a sweep over everything finds what no input names (clients, clocks). While nobody listens
// nothing is looked at, only the last moves are kept.
import type { Observable } from 'rxjs';
import { createEventStreams } from '../../io/http/event-streams.ts';
import type { Reply, Stream } from '../../io/http/http-server.ts';
import { createLevelTable } from '../../io/http/level-table.ts';
import type { WireReport } from '../../io/wire/wire-protocol.ts';
import type { Core } from '../../machines/core.ts';
import type { Effect } from '../../machines/effects.ts';
import type { Ip } from '../../machines/frames.ts';
import type { Input } from '../../machines/inputs.ts';
import { effectsOf } from '../../streams/runtime.ts';
import { type Status, serviceStatus } from './status.ts';

export interface LiveParts {
  readonly instance: string;
  readonly core: Core;
  readonly report: () => Promise<WireReport>;
  readonly statusOf: (report: WireReport) => Status;
  /** Logical milliseconds, for what is shown. */
  readonly now: () => number;
  readonly effects$: Observable<readonly Effect[]>;
  /** Whether who has a token may operate from the page. */
  readonly isOperable: () => boolean;
}

export interface Live {
  /** Called for each input that was stepped; cheap. */
  readonly onInput: (input: Input) => void;
  readonly open: (lastEventId: string | undefined) => Reply | Stream;
  readonly close: () => void;
}

const LOOK_MS = 15;
const SWEEP_MS = 1_000;
/** Two sweeps are at least so far apart, whatever is in the news. */
const SWEEP_LEAST_MS = 200;
/** A sweep over 10,000 IPs takes tens of milliseconds: it gets no more than a fiftieth of this thread. */
const SWEEP_SHARE = 50;
/** Rows looked at in one turn; the others wait for the next. */
const ROWS_A_TURN = 500;

const NODE = 'node';

/** The node's own row: the status without its IPs, and without what changes with every hello. */
const nodeRow = ({ serviceIPs: _, interfaces, peers, ...status }: Status, operable: boolean): string =>
  JSON.stringify({
    kind: NODE,
    ...status,
    operable,
    interfaces: interfaces.map(({ name, mac, up }) => ({ name, mac, up })),
    peers: peers.map(({ node, interface: on, state }) => ({ node, interface: on, state })),
  });

export const createLive = (parts: LiveParts): Live => {
  const { instance, core, report, statusOf, now, effects$, isOperable } = parts;
  const table = createLevelTable();
  const dirty = new Set<Ip>();
  let known: WireReport | null = null;
  let looking: NodeJS.Timeout | null = null;
  let sweeping: NodeJS.Timeout | null = null;
  let isListened = false;
  let isSweeping = false;
  let isHurried = false;
  let notBefore = 0;

  const sweepIn = (delayMs: number): void => {
    if (sweeping !== null) clearTimeout(sweeping);
    sweeping = isListened ? setTimeout(() => void sweep(), delayMs).unref() : null;
  };
  /** A peer came or went: another may hold any IP, and the node's own row shows it. */
  const sweepSoon = (): void => {
    if (isHurried) return;
    isHurried = true;
    sweepIn(Math.max(LOOK_MS, notBefore - performance.now()));
  };

  const sweep = async (): Promise<void> => {
    if (isSweeping) return;
    isSweeping = true;
    isHurried = false;
    let tookMs = 0;
    try {
      known = await report();
      const started = performance.now();
      const status = statusOf(known);
      table.set(NODE, nodeRow(status, isOperable()));
      const present = new Set<string>([NODE]);
      for (const service of status.serviceIPs) {
        present.add(service.ip);
        table.set(service.ip, JSON.stringify(service));
      }
      for (const key of [...table.keys()]) if (!present.has(key)) table.remove(key);
      tookMs = performance.now() - started;
    } catch {
      // The wire thread does not answer: whoever watches that acts; here the rows stay as they were.
    }
    isSweeping = false;
    streams.changed();
    notBefore = performance.now() + Math.max(SWEEP_LEAST_MS, tookMs * SWEEP_SHARE);
    // News that came while this ran is in no sweep yet.
    if (isHurried) sweepIn(notBefore - performance.now());
    else sweepIn(Math.max(SWEEP_MS, tookMs * SWEEP_SHARE));
  };

  const look = (): void => {
    looking = null;
    if (known === null) return;
    let count = 0;
    for (const ip of dirty) {
      count += 1;
      if (count > ROWS_A_TURN) break;
      dirty.delete(ip);
      const service = core.service(ip);
      if (service === null) table.remove(ip);
      else table.set(ip, JSON.stringify(serviceStatus(service, known)));
    }
    streams.changed();
    if (dirty.size > 0) lookSoon();
  };

  const lookSoon = (): void => {
    looking ??= setTimeout(look, LOOK_MS).unref();
  };

  const mark = (ips: Iterable<Ip>): void => {
    if (!isListened) return;
    for (const ip of ips) dirty.add(ip);
    lookSoon();
  };

  const streams = createEventStreams({
    life: instance,
    table,
    now: () => performance.now(),
    onListening: (isOne) => {
      isListened = isOne;
      dirty.clear();
      if (isOne) void sweep();
    },
  });

  effectsOf(effects$, 'record').subscribe((records) => {
    for (const { type: _, ...record } of records) table.move(JSON.stringify({ at: now(), ...record }));
    mark(records.map(({ ip }) => ip));
  });

  return {
    onInput: (input) => {
      if (!isListened) return;
      if (input.type === 'claims.heard') mark([...input.claims.map(({ ip }) => ip), ...input.released]);
      else if (input.type === 'peer.late' || input.type === 'peer.back' || input.type === 'peer.heard')
        sweepSoon();
    },
    open: streams.open,
    close: () => {
      if (looking !== null) clearTimeout(looking);
      if (sweeping !== null) clearTimeout(sweeping);
      isListened = false;
      streams.close();
    },
  };
};
