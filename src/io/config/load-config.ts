// A configuration file → the effective configuration, or every problem in it as one line each:
// `FILE:LINE: KEY: what is wrong; what would be right`. Nothing here opens a socket or changes the host.
import { hostname } from 'node:os';
import type { z } from 'zod';
import type { Config } from './config.ts';
import { formatDuration } from './durations.ts';
import { formatListen, readNodeName } from './names.ts';
import { type ConfigProblem, type Finding, problemsOf } from './problems.ts';
import { readConfigFile } from './read-file.ts';
import { type ConfigFile, fileSchema } from './schema.ts';
import { readServiceIp } from './service-address.ts';
import { quote } from './wrong.ts';
import { type Path, readYaml, type YamlDocument } from './yaml-document.ts';

export type ConfigResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly ConfigProblem[] }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** The findings of one zod issue: one each, but an issue about unknown keys speaks for several. */
const findingsOf = (issue: z.core.$ZodIssue, lineOf: YamlDocument['lineOf']): Finding[] => {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
  if (issue.code !== 'unrecognized_keys') return [{ line: lineOf(path), path, text: issue.message }];
  const texts = issue.message.split('\n');
  return issue.keys.map((key, index) => {
    const keyPath = [...path, key];
    return { line: lineOf(keyPath), path: keyPath, text: texts[index] ?? issue.message };
  });
};

const property = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;

/** One address twice, in whatever spelling. On the raw values, so that another mistake does not hide it. */
const duplicates = (value: unknown, lineOf: YamlDocument['lineOf']): Finding[] => {
  const list = property(value, 'serviceIPs');
  if (!Array.isArray(list)) return [];
  const findings: Finding[] = [];
  const firsts = new Map<string, { readonly written: string; readonly index: number }>();
  list.forEach((item: unknown, index) => {
    const written = property(item, 'ip');
    const read = typeof written === 'string' ? readServiceIp(written) : null;
    if (typeof written !== 'string' || read === null || 'wrong' in read) return;
    const first = firsts.get(read.value);
    if (first === undefined) {
      firsts.set(read.value, { written, index });
      return;
    }
    const path = ['serviceIPs', index, 'ip'];
    const spelt = first.written === written ? '' : `, as ${first.written}`;
    const before = `on line ${lineOf(['serviceIPs', first.index, 'ip'])}`;
    findings.push({ line: lineOf(path), path, text: `${written} is already${spelt} ${before}; keep one` });
  });
  return findings;
};

const required = (value: unknown, lineOf: YamlDocument['lineOf']): Finding[] => {
  const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (value !== null && (!isMapping || property(value, 'serviceIPs') !== undefined)) return [];
  if (property(value, 'cluster') === 'kubernetes') return [];
  const text = 'is missing; a list such as [{ip: 10.99.0.100}], which may be empty: []';
  return [{ line: lineOf([]), path: ['serviceIPs'], text }];
};

/** The cluster says which service IPs there are; two sources would contradict each other. */
const surplus = (value: unknown, lineOf: YamlDocument['lineOf']): Finding[] => {
  if (property(value, 'cluster') !== 'kubernetes' || property(value, 'serviceIPs') === undefined) return [];
  const text = 'come from Services with cluster: kubernetes; leave it out';
  return [{ line: lineOf(['serviceIPs']), path: ['serviceIPs'], text }];
};

const toConfig = (file: ConfigFile, node: string): Config => ({
  node,
  interfaces: file.interfaces,
  serviceIPs: file.serviceIPs ?? [],
  // kube-proxy, or what stands in for it, accepts the traffic.
  serve: file.serve ?? (file.cluster === 'kubernetes' ? 'none' : 'host'),
  announce: file.announce,
  probe: file.probe,
  announcements: { refreshMs: file.announcements.refresh },
  heartbeat: {
    intervalMs: file.heartbeat.interval,
    deadAfterMs: file.heartbeat.deadAfter,
    keyFile: file.heartbeat.keyFile,
    group: file.heartbeat.group,
    transport: file.heartbeat.transport,
    inShadow: file.heartbeat.inShadow,
  },
  drain: { windowMs: file.drain.window, quietMs: file.drain.quiet, style: file.drain.style },
  rebalance: { mode: file.rebalance.mode, intervalMs: file.rebalance.interval },
  watchdogMs: file.watchdog,
  journal: { directory: file.journal.directory, maxSizeBytes: file.journal.maxSize },
  log: file.log,
  control: file.control,
  http: file.http,
  metrics: file.metrics,
  page: file.page,
  cluster: file.cluster,
  kubernetes: file.kubernetes,
});

const isLoopback = (host: string | null): boolean =>
  host === 'localhost' || host === '::1' || host?.startsWith('127.') === true;

/** What is allowed but hardly meant. */
const doubts = (config: Config, value: unknown, lineOf: YamlDocument['lineOf']): Finding[] => {
  const findings: Finding[] = [];
  const doubt = (path: Path, text: string) => findings.push({ line: lineOf(path), path, text });
  const { serviceIPs, interfaces, drain } = config;
  const isFile = config.cluster === 'file';
  if (isFile && serviceIPs.length === 0) doubt(['serviceIPs'], 'is empty; this node will announce nothing');
  if (isFile && property(value, 'kubernetes') !== undefined)
    doubt(['kubernetes'], 'has no effect with cluster: file');
  if (config.http === null && (config.page.tokenFile !== null || config.page.hosts !== null))
    doubt(['page'], 'has no effect with http: null');
  if (config.page.tokenFile !== null && config.http !== null && !isLoopback(config.http.host))
    doubt(
      ['page', 'tokenFile'],
      `crosses the network readably at http: ${formatListen(config.http)}; 127.0.0.1 with ssh -L, or a proxy with TLS`,
    );
  if (drain.quietMs > drain.windowMs) {
    const window = formatDuration(drain.windowMs);
    doubt(['drain', 'quiet'], `is longer than drain.window, which ends every drain after ${window}`);
  }
  serviceIPs.forEach((service, index) => {
    if (interfaces === null || service.interfaces === null) return;
    if (service.interfaces.some((name) => interfaces.includes(name))) return;
    const path = ['serviceIPs', index, 'interfaces'];
    doubt(path, `names none of the interfaces that this node may use: ${interfaces.join(', ')}`);
  });
  return findings;
};

/** In a pod the Node's name, which the DaemonSet puts there; the host may be called otherwise. */
const defaultName = (): string => process.env.NODE_NAME ?? hostname();

/**
 * Reads, checks and completes a configuration. `file` names it in problems; `host` is the default of `node`.
 * Returns every problem (at most 100 and a count), sorted by line; never throws for what the text holds.
 */
export const parseConfig = (text: string, file: string, host: string = defaultName()): ConfigResult => {
  const { value, problems, warnings, lineOf } = readYaml(text);
  // A syntax error leaves nothing to check: all else would be about what was not read.
  if (problems.some(({ path }) => path.length === 0)) {
    return { ok: false, problems: problemsOf(file, syntaxOnly(problems)) };
  }
  const checked = fileSchema.safeParse(value ?? {});
  const findings: Finding[] = [
    ...problems,
    ...required(value, lineOf),
    ...surplus(value, lineOf),
    ...duplicates(value, lineOf),
  ];
  if (!checked.success) findings.push(...checked.error.issues.flatMap((issue) => findingsOf(issue, lineOf)));
  const node = property(value, 'node') === undefined ? readNodeName(host.toLowerCase()) : null;
  if (node !== null && 'wrong' in node) {
    const text = `is missing, and the host name ${quote(host)} cannot stand in for it; a name such as n1`;
    findings.push({ line: lineOf([]), path: ['node'], text });
  }
  if (!checked.success || findings.length > 0) return { ok: false, problems: problemsOf(file, findings) };
  const config = toConfig(checked.data, checked.data.node ?? host.toLowerCase());
  return {
    ok: true,
    config,
    warnings: problemsOf(file, [...warnings, ...doubts(config, value, lineOf)]),
  };
};

const syntaxOnly = (problems: readonly Finding[]): Finding[] =>
  problems.filter(({ path }) => path.length === 0);

/** Reads and parses a file. Never throws: what cannot be read is a problem too. */
export const loadConfig = async (file: string): Promise<ConfigResult> => {
  const read = await readConfigFile(file);
  return read.ok ? parseConfig(read.text, file) : read;
};
