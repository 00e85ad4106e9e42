// A wire step for tests: one interface, service IPs that are answered, and what left it, in words. A rebirth is
// answered as the thread does it, with a fresh instance; commands bear the birth that the main thread knows of.
import type { Ip, NeighborFrame } from '../../src/machines/frames.ts';
import type { HelloFrame, Instance } from '../../src/machines/hello.ts';
import type {
  WireCommand,
  WireConfig,
  WireEvent,
  WireFrame,
  WireOutput,
} from '../../src/machines/wire-facts.ts';
import { createWireStep, type WireStep } from '../../src/machines/wire-step.ts';
import { ETH0, START } from './core.ts';

export const CLIENT = { mac: '02:00:00:00:00:0a', ipv4: '10.99.0.10', ipv6: 'fd99::10' } as const;

export const wireConfig = (over: Partial<WireConfig> = {}): WireConfig => ({
  node: 'n1',
  announce: true,
  heartbeat: { intervalMs: 50, deadAfterMs: 200 },
  refreshMs: 60_000,
  watchdogMs: 3_000,
  watched: ['10.99.0.100', 'fd99::100'],
  ...over,
});

export interface Wire {
  readonly step: WireStep;
  /** Takes an event `ms` after START. */
  at(ms: number, event: WireEvent): readonly WireOutput[];
  hear(ms: number, frame: WireFrame, name?: string): readonly WireOutput[];
  /** A command for the present birth. */
  obey(ms: number, command: WireCommand): readonly WireOutput[];
  clock(ms: number): readonly WireOutput[];
  /** The present birth. */
  birth(): Instance;
}

/** The instance of the `index`th birth of a node's wire thread. */
export const birthOf = (node: string, index: number): Instance =>
  `${[...node].map((letter) => letter.charCodeAt(0).toString(16)).join('')}${index}`.padStart(16, '0');

/**
 * A wire step with eth0 up, and nothing said about where to listen, so that it says no hello. The main thread
 * has not spoken yet, so no watchdog runs.
 */
export const createWire = (over: Partial<WireConfig> = {}, key?: string): Wire => {
  const config = wireConfig(over);
  let births = 1;
  const birth = (): Instance => birthOf(key ?? config.node, births);
  const step = createWireStep(config, birth());
  const at = (ms: number, event: WireEvent): readonly WireOutput[] => {
    let outputs = step.step(START + ms, event);
    // The segment was awake while the thread slept: more had queued than the step looks at.
    if (outputs.some(({ type }) => type === 'look.back'))
      outputs = step.step(START + ms, { type: 'looked.back', frames: 1_000 });
    if (!outputs.some(({ type }) => type === 'rebirth')) return outputs;
    births += 1;
    return [...outputs, ...step.step(START + ms, { type: 'born', instance: birth() })];
  };
  at(0, { type: 'link.changed', interface: ETH0 });
  return {
    step,
    at,
    hear: (ms, frame, name = 'eth0') => at(ms, { type: 'frame', interface: name, frame }),
    obey: (ms, command) => at(ms, { type: 'command', command, birth: birth() }),
    clock: (ms) => at(ms, { type: 'clock' }),
    birth,
  };
};

export const answerStart = (ip: Ip, name = 'eth0'): WireCommand => ({
  type: 'answer.start',
  ip,
  interface: name,
  epoch: 1,
  weak: true,
});

/** A wire step that answers for its two watched IPs. */
export const createAnswering = (over: Partial<WireConfig> = {}): Wire => {
  const wire = createWire(over);
  for (const ip of over.watched ?? wireConfig().watched) wire.obey(0, answerStart(ip));
  return wire;
};

/** The ARP and ND frames that leave by an AF_PACKET socket. */
export const sent = (outputs: readonly WireOutput[]): readonly NeighborFrame[] =>
  outputs.flatMap((output) =>
    output.type === 'send' && output.frame.kind !== 'hello' ? [output.frame] : [],
  );

export const hellosIn = (outputs: readonly WireOutput[]): readonly HelloFrame[] =>
  outputs.flatMap((output) =>
    output.type === 'send' && output.frame.kind === 'hello' ? [output.frame] : [],
  );

/** How many frames leave, whoever sends them. */
export const framesIn = (outputs: readonly WireOutput[]): number =>
  outputs.filter(({ type }) => type === 'send' || type === 'advertise').length;

/** The facts for the core, as `type ip-or-name mac`. */
export const facts = (outputs: readonly WireOutput[]): readonly string[] =>
  outputs.flatMap((output) => {
    if (output.type !== 'fact') return [];
    const { input } = output;
    if (input.type === 'rival.heard') return [`${input.type} ${input.ip} ${input.mac}`];
    if (input.type === 'interface.gone') return [`${input.type} ${input.name}`];
    if (input.type === 'interface.changed') return [`${input.type} ${input.interface.name}`];
    return [input.type];
  });
