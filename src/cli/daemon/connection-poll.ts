// While an IP drains patiently: says again and again, to the wire thread, which clients have a connection open here.
import type { Logger } from 'pino';
import type { Observable } from 'rxjs';
import type { OpenConnections } from '../../io/host/open-connections.ts';
import type { Effect } from '../../machines/effects.ts';
import type { Ip } from '../../machines/frames.ts';
import type { WireCommand } from '../../machines/wire-facts.ts';
import { effectsOf } from '../../streams/runtime.ts';

/** A client is moved within seconds of its last connection's end, which is believed at the second list. */
const LIST_EVERY_MS = 500;

export interface ConnectionPoll {
  /** What is wrong, in words: patient drains then keep everybody to the end of the window. */
  findings(): readonly string[];
}

export const pollConnections = (
  effects$: Observable<readonly Effect[]>,
  connections: OpenConnections,
  tellWire: (command: WireCommand) => void,
  log: Logger,
): ConnectionPoll => {
  const patient = new Set<Ip>();
  let failure: string | null = null;
  let isListing = false;
  /** One list after the other, however many drains begin meanwhile. */
  let next: NodeJS.Timeout | null = null;

  const notice = (found: string | null): void => {
    if (found !== null && failure === null) {
      log.warn({ code: 'connections' }, `open connections cannot be listed: ${found}; nobody is moved early`);
    }
    failure = found;
  };

  const list = async (): Promise<void> => {
    if (isListing) return;
    if (next !== null) clearTimeout(next);
    isListing = true;
    const result = await connections.list([...patient]);
    isListing = false;
    if ('failure' in result) {
      if (patient.size > 0) notice(result.failure);
      tellWire({ type: 'connections', remotes: [] });
    } else {
      notice(null);
      const { connections: remotes, incomplete } = result;
      tellWire({ type: 'connections', remotes: [...remotes].filter(([ip]) => !incomplete.has(ip)) });
    }
    next = patient.size > 0 ? setTimeout(() => void list(), LIST_EVERY_MS).unref() : null;
  };

  effectsOf(effects$, 'carry', 'carry.stop').subscribe((effects) => {
    for (const effect of effects) {
      if (effect.type === 'carry' && effect.patient) patient.add(effect.ip);
      else patient.delete(effect.ip);
    }
    if (patient.size > 0) void list();
  });
  return {
    findings: () =>
      failure === null
        ? []
        : [`open connections cannot be listed (${failure}): patient drains last to their end`],
  };
};
