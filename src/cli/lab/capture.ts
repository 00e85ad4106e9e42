// What was on the wire: tcpdump writes it down, tshark reads it, so that the judge is not our own parser.
import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Host } from './host.ts';
import type { Segment } from './segment.ts';
import { run, toolEnvironment } from './tools.ts';

export type CaptureOptions = Readonly<{
  /** pcap filter, as tcpdump takes it: `arp or icmp6`. Default: everything. */
  filter?: string;
  /** Default: a file in the segment's folder, which `dispose` removes. Must end in .pcap (AppArmor's profile). */
  file?: string;
}>;

/** Where to listen: in a host, on its port on the switch, or on the bridge (every frame once, as it enters). */
export type CapturePoint = Readonly<{ host: Host | string }> | Readonly<{ port: string }> | 'bridge';

export type Capture = Readonly<{
  file: string;
  /** Waits until what came before is written, ends, gives the file. Throws when the kernel dropped frames. */
  stop(): Promise<string>;
}>;

export type Row = Readonly<Record<string, string>>;

/** Why a frame is bad. `duplicate-address`: two MACs for one IP, which a failover also looks like. */
export type BadFrameKind = 'malformed' | 'checksum' | 'duplicate-address';

export type BadFrame = Readonly<{
  frame: number;
  /** Seconds since 1970. */
  time: number;
  kind: BadFrameKind;
  source: string;
  destination: string;
  protocol: string;
  /** tshark's own words. */
  message: string;
}>;

const READY_TIMEOUT_MS = 5_000;
/** The file must stay the same for this long before tcpdump is stopped: what it has not read yet would be lost. */
const SETTLE_MS = 25;
const MAX_SETTLES = 40;

let captures = 0;

const spawnTcpdump = (segment: Segment, point: CapturePoint, args: readonly string[]) => {
  const stdio = { stdio: ['ignore', 'ignore', 'pipe'] as ['ignore', 'ignore', 'pipe'] };
  if (point === 'bridge')
    return segment.switch.spawn('tcpdump', ['-i', segment.switch.bridge, ...args], stdio);
  if ('port' in point) return segment.switch.spawn('tcpdump', ['-i', point.port, ...args], stdio);
  const host = typeof point.host === 'string' ? segment.hosts.get(point.host) : point.host;
  if (host === undefined) throw new Error(`no host '${point.host}' on ${segment.name}`);
  return host.spawn('tcpdump', ['-i', host.interface, ...args], stdio);
};

/** Until the file has not grown for a moment (bounded: a busy segment never rests). */
const settled = async (file: string): Promise<void> => {
  const size = (): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  for (let i = 0, before = -1; i < MAX_SETTLES && size() !== before; i += 1) {
    before = size();
    await delay(SETTLE_MS);
  }
};

/**
 * Starts tcpdump and returns once it listens. Throws with its words when it cannot. Needs `tcpdump`. On the bridge
 * a frame is seen even if a drop rule with `to` loses it afterwards, and not if one with `from` alone does.
 */
export const startCapture = async (
  segment: Segment,
  point: CapturePoint,
  { filter, file }: CaptureOptions = {},
): Promise<Capture> => {
  captures += 1;
  const path = file ?? join(segment.directory, `capture-${captures}.pcap`);
  // -Z root: tcpdump would become another user, who may not write here. -s 0, -B: whole frames, 16 MiB of buffer.
  const args = ['-n', '-U', '--immediate-mode', '-Z', 'root', '-s', '0', '-B', '16384', '-w', path];
  const child = spawnTcpdump(segment, point, filter === undefined ? args : [...args, filter]);
  let words = '';
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  exited.catch(() => {});
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`tcpdump: ${words.trim() || why}`));
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      fail(`not listening after ${READY_TIMEOUT_MS} ms`);
    }, READY_TIMEOUT_MS);
    child.stderr?.on('data', (bytes: Buffer) => {
      words += bytes.toString();
      if (!words.includes('listening on')) return;
      clearTimeout(late);
      resolve();
    });
    exited.then((code) => fail(`exit code ${code}`), reject).finally(() => clearTimeout(late));
  });
  let stopped: Promise<string> | null = null;
  const end = async (): Promise<string> => {
    await settled(path);
    child.kill('SIGINT');
    await exited;
    const dropped = Number(/(\d+) packets? dropped by kernel/.exec(words)?.[1] ?? 0);
    if (dropped > 0) throw new Error(`tcpdump: the kernel dropped ${dropped} frames, ${path} is incomplete`);
    return path;
  };
  return {
    file: path,
    stop: () => {
      stopped ??= end();
      return stopped;
    },
  };
};

const DEFAULT_FIELDS = [
  'frame.number',
  'frame.time_epoch',
  'eth.src',
  'eth.dst',
  '_ws.col.Protocol',
  '_ws.col.Info',
];

/** On: header and ARP checks that veth leaves alone. TCP and UDP sums stay unchecked: veth never computes them. */
const PREFERENCES = [
  'ip.check_checksum:TRUE',
  'tcp.check_checksum:FALSE',
  'udp.check_checksum:FALSE',
  'arp.detect_duplicate_ips:TRUE',
];

const tshark = async (args: readonly string[]): Promise<string> => {
  // A folder without preferences: the user's own must not change what is found.
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-tshark-'));
  try {
    const environment = toolEnvironment({ WIRESHARK_CONFIG_DIR: folder });
    return await run('tshark', args, { environment, timeoutMs: 300_000 });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/**
 * The frames of `pcap` that match `displayFilter`, one row a frame: field name → text, '' when absent, several
 * occurrences joined by commas. Needs `tshark`; throws `ToolError` on a bad filter or an unreadable file.
 */
export const analyse = async (
  pcap: string,
  displayFilter = '',
  fields: readonly string[] = DEFAULT_FIELDS,
): Promise<Row[]> => {
  const output = await tshark([
    ...['-n', '-r', pcap, '-T', 'fields', '-E', 'separator=/t', '-E', 'occurrence=a', '-E', 'aggregator=,'],
    ...PREFERENCES.flatMap((preference) => ['-o', preference]),
    ...(displayFilter === '' ? [] : ['-Y', displayFilter]),
    ...fields.flatMap((field) => ['-e', field]),
  ]);
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const cells = line.split('\t');
      return Object.fromEntries(fields.map((field, i) => [field, cells[i] ?? '']));
    });
};

/** Milliseconds since 1970 of a row with `frame.time_epoch`. */
export const timeOf = (row: Row): number => {
  const text = row['frame.time_epoch'] ?? '';
  // tshark 4.4 and later write ISO 8601 where earlier ones wrote seconds.
  return text.includes('T') ? Date.parse(text) : Number(text) * 1_000;
};

/** tshark's filter for each kind; 0 is "bad" in its checksum status. */
const KIND_FILTERS: Readonly<Record<BadFrameKind, string>> = {
  malformed: '_ws.malformed || _ws.short || _ws.expert.group == 0x07000000',
  checksum: 'ip.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0',
  'duplicate-address': 'arp.duplicate-address-detected',
};

/** Every malformed frame, bad checksum (IPv4 header, ICMP, ICMPv6) and duplicate-address report, in frame order. */
export const findBadFrames = async (pcap: string): Promise<BadFrame[]> => {
  const fields = [...DEFAULT_FIELDS.slice(0, 5), '_ws.expert.message'];
  const ofKind = async (kind: BadFrameKind): Promise<BadFrame[]> =>
    (await analyse(pcap, KIND_FILTERS[kind], fields)).map((row) => ({
      frame: Number(row['frame.number']),
      time: Number(row['frame.time_epoch']),
      kind,
      source: row['eth.src'] ?? '',
      destination: row['eth.dst'] ?? '',
      protocol: row['_ws.col.Protocol'] ?? '',
      message: row['_ws.expert.message'] ?? '',
    }));
  const found = await Promise.all((Object.keys(KIND_FILTERS) as BadFrameKind[]).map(ofKind));
  return found.flat().sort((a, b) => a.frame - b.frame);
};
