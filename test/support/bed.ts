// The test bed of the daemon's wire tests: a switch, one node whose daemon is not started yet, one client. What
// the world shows comes from the kernel, a capture, the log, the journal; never from the program's own word alone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { AnswerLoad } from '../../bench/answer-load.ts';
import { analyse, timeOf } from '../../src/cli/lab/capture.ts';
import { createLabNode, type LabNode, type LabNodeOptions, waitFor } from '../../src/cli/lab/lab-node.ts';
import type { Host, HostSpec, Segment } from '../../src/cli/lab/segment.ts';
import { LAB_SERVICE_IPS } from '../../src/cli/lab/stage.ts';
import { ToolError } from '../../src/cli/lab/tools.ts';
import { segmentFor, type WireContext } from './lab.ts';

export { timeOf } from '../../src/cli/lab/capture.ts';
export { sleep, waitFor } from '../../src/cli/lab/lab-node.ts';

export interface LogLine {
  readonly time: string;
  readonly msg: string;
  readonly level: number;
  readonly ip?: string;
  readonly from?: string;
  readonly to?: string;
  readonly code?: string;
}

export interface Bed {
  readonly segment: Segment;
  readonly node: LabNode;
  readonly client: Host;
  readonly serviceIPs: readonly string[];
  /** Waits until every service IP is led by the node. */
  lead(timeoutMs?: number): Promise<void>;
  log(): LogLine[];
  /** Asks for IPs from the client, as bench/answer-load.ts does. */
  load(args: readonly string[]): Promise<AnswerLoad>;
}

export interface BedOptions extends Partial<LabNodeOptions> {
  readonly hosts?: readonly HostSpec[];
  readonly multicastSnooping?: boolean;
}

const LOAD = fileURLToPath(new URL('../../bench/answer-load.ts', import.meta.url));

export const bedFor = async (context: WireContext, options: BedOptions = {}): Promise<Bed> => {
  const { hosts = [], multicastSnooping = false, ...rest } = options;
  const serviceIPs = options.serviceIPs ?? LAB_SERVICE_IPS;
  const segment = await segmentFor(context, {
    multicastSnooping,
    hosts: [{ name: 'n1', role: 'node' }, { name: 'client', role: 'client' }, ...hosts],
  });
  const node = createLabNode(segment, segment.hosts.get('n1') as Host, { ...rest, serviceIPs });
  const client = segment.hosts.get('client') as Host;
  const isLed = async (): Promise<true | null> => {
    const { serviceIPs: known } = await node.status();
    return known.length === serviceIPs.length && known.every(({ state }) => state === 'leader') ? true : null;
  };
  return {
    segment,
    node,
    client,
    serviceIPs,
    lead: async (timeoutMs = 15_000) => {
      await waitFor('every service IP to be led', timeoutMs, isLed);
    },
    log: () =>
      readFileSync(node.logFile, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as LogLine),
    load: async (args) =>
      JSON.parse(await client.exec(process.execPath, [LOAD, ...args], { timeoutMs: 60_000 })) as AnswerLoad,
  };
};

/** A started bed whose node leads every service IP. */
export const leadingBed = async (context: WireContext, options: BedOptions = {}): Promise<Bed> => {
  const bed = await bedFor(context, options);
  await bed.node.start();
  await bed.lead();
  return bed;
};

/** The wrapper that starts the daemon with a file of test/support loaded before it. */
export const preloaded = (file: string, environment: Readonly<Record<string, string>> = {}): string[] => [
  'env',
  `NODE_OPTIONS=--import=${new URL(file, import.meta.url).href}`,
  ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
];

const INJECT = fileURLToPath(new URL('./inject-process.ts', import.meta.url));

/** Puts frames on the wire from a host, as they are. */
export const inject = async (host: Host, frames: readonly Uint8Array[]): Promise<void> => {
  await host.exec(process.execPath, [INJECT, ...frames.map((frame) => Buffer.from(frame).toString('hex'))]);
};

/** The display filter for frames by which `mac` answers or announces `ip`. */
export const spokenFor = (ip: string, mac: string): string =>
  isIPv6(ip)
    ? `icmpv6.type == 136 && icmpv6.nd.na.target_address == ${ip} && eth.src == ${mac}`
    : `arp.src.proto_ipv4 == ${ip} && eth.src == ${mac}`;

/** The times at which `mac` answered or announced one of `ips`, milliseconds since 1970, in order. */
export const spokenAt = async (pcap: string, ips: readonly string[], mac: string): Promise<number[]> => {
  const filter = ips.map((ip) => `(${spokenFor(ip, mac)})`).join(' || ');
  return (await analyse(pcap, filter, ['frame.time_epoch'])).map(timeOf);
};

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** Runs the command line in a host to its end. */
export const holdfast = (
  host: Host,
  args: readonly string[],
  { wrapper = [], env = {} }: { wrapper?: readonly string[]; env?: Readonly<Record<string, string>> } = {},
): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const [command, ...rest] = [...wrapper, process.execPath, MAIN, ...args] as [string, ...string[]];
    const environment = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, ...env };
    const child = host.spawn(command, rest, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (bytes: Buffer) => {
      stdout += bytes.toString();
    });
    child.stderr?.on('data', (bytes: Buffer) => {
      stderr += bytes.toString();
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });

/** Runs a tool whose exit code says something too (arping, ping): its stdout, whatever the code. */
export const outputOf = async (host: Host, command: string, args: readonly string[]): Promise<string> => {
  try {
    return await host.exec(command, args);
  } catch (error) {
    assert.ok(error instanceof ToolError && error.code !== null, String(error));
    return error.stderr;
  }
};
