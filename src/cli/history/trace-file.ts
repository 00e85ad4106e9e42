// Ownership in the trace-event format of Chrome, which Perfetto (ui.perfetto.dev) opens: a process for the service
// IPs with a lane each, in which slices are owners; and a process for each node, in which slices are the states of
// each IP there, and instants say why.
import type { Ownership } from '../../machines/ownership.ts';
import type { Transition } from '../../machines/side-by-side.ts';

interface TraceEvent {
  readonly name: string;
  readonly ph: 'M' | 'X' | 'i';
  readonly pid: number;
  readonly tid: number;
  /** Microseconds since the beginning of the trace. */
  readonly ts?: number;
  readonly dur?: number;
  readonly s?: 't';
  readonly cat?: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

export interface Trace {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: 'ms';
  readonly otherData: Readonly<Record<string, string>>;
}

const OWNERS = 1;

/** The slices of one IP on one node: every state but unowned. */
const stateSlices = (
  transitions: readonly Transition[],
  end: number,
): readonly {
  readonly state: string;
  readonly from: number;
  readonly to: number;
  readonly by: Transition;
}[] =>
  transitions.flatMap((by, index) => {
    const to = transitions[index + 1]?.at ?? end;
    return by.to === 'unowned' ? [] : [{ state: by.to, from: by.at, to, by }];
  });

/** The whole trace of what `ownershipOf` found. */
export const traceOf = ({ lanes, tenures, gaps }: Ownership): Trace => {
  const start = Math.min(...lanes.map(({ from }) => from));
  const end = Math.max(...lanes.map(({ to }) => to));
  const ts = (at: number): number => Math.round((at - start) * 1000);
  const ips = [...new Set(lanes.flatMap(({ life }) => life.transitions.map(({ ip }) => ip)))].sort();
  const laneOf = (ip: string): number => ips.indexOf(ip) + 1;
  const events: TraceEvent[] = [];
  const name = (pid: number, text: string): void => {
    events.push({ name: 'process_name', ph: 'M', pid, tid: 0, args: { name: text } });
    for (const ip of ips)
      events.push({ name: 'thread_name', ph: 'M', pid, tid: laneOf(ip), args: { name: ip } });
  };
  const band = (ip: string, from: number, to: number | null) =>
    ({ ph: 'X', pid: OWNERS, tid: laneOf(ip), ts: ts(from), dur: ts(to ?? end) - ts(from) }) as const;
  name(OWNERS, 'service IPs: who owns');
  for (const { ip, node, from, to, began } of tenures) {
    events.push({ ...band(ip, from, to), name: node, cat: 'owner', args: { ...began } });
  }
  for (const { ip, from, to } of gaps) {
    events.push({ ...band(ip, from, to), name: 'nobody', cat: 'gap' });
  }
  const nodes = [...new Set(lanes.map(({ life }) => life.node))].sort();
  for (const [index, node] of nodes.entries()) {
    const pid = OWNERS + 1 + index;
    name(pid, node);
    for (const { life, clock, to: laneEnd } of lanes.filter((lane) => lane.life.node === node)) {
      for (const ip of ips) {
        const here = life.transitions
          .filter((transition) => transition.ip === ip)
          .map((transition) => ({ ...transition, at: clock.toCommon(transition.at) }));
        for (const { state, from, to, by } of stateSlices(here, laneEnd)) {
          const at = { pid, tid: laneOf(ip), ts: ts(from) } as const;
          events.push({ ...at, ph: 'X', dur: ts(to) - ts(from), name: state, cat: 'state', args: { ...by } });
        }
        for (const { at, cause, reason, ref } of here)
          events.push({
            ph: 'i',
            s: 't',
            pid,
            tid: laneOf(ip),
            ts: ts(at),
            name: `${cause}: ${reason}`,
            cat: 'cause',
            args: { ref },
          });
      }
    }
  }
  return { traceEvents: events, displayTimeUnit: 'ms', otherData: { start: new Date(start).toISOString() } };
};
