// The configuration file as a zod schema: every key, its default, its bounds. Strict: an unknown key is refused
// with the nearest known one, because a misspelt key that is silently ignored is found at three in the morning.
// Every message reads "what is wrong; what would be right"; load-config.ts puts file, line and key before it.
import { z } from 'zod';
import { LOG_LEVELS } from './config.ts';
import { formatDuration, readDuration, readSize } from './durations.ts';
import {
  readClass,
  readHostName,
  readInterfaceName,
  readListen,
  readNodeName,
  readPath,
  readSocketPath,
} from './names.ts';
import { nearest } from './nearest.ts';
import { readServiceIp } from './service-address.ts';
import { describe, quote, type Read } from './wrong.ts';

const SECOND = 1000;
const HOUR = 3_600_000;
const MIB = 2 ** 20;

/** The segment carries about 1,000 hellos a second, so more nodes than this cannot be heard anyway. */
const MAX_NODES = 1000;
const MAX_INTERFACES = 64;
/** Names of one proxy or machine; each is compared with the Host of every request. */
const MAX_HOSTS = 64;
/** design.md, Hellos: hold time = max(deadAfter, 4 × interval). */
const HOLD_INTERVALS = 4;
const DEFAULT_INTERVAL = 50;
const DEFAULT_DEAD_AFTER = 200;

interface RawIssue {
  readonly code?: string | undefined;
  readonly input?: unknown;
  readonly keys?: readonly string[];
}

/** For any zod type: what to say when the value is of another type, and what would be right. */
const expected = (right: string) => ({
  error: (issue: RawIssue): string | undefined =>
    issue.code === 'invalid_type' ? `${describe(issue.input)}; ${right}` : undefined,
});

/** A text that a reader of this folder turns into its value, or refuses. */
const read = <T>(reader: (text: string) => Read<T>, right: string) =>
  z.string(expected(right)).transform((text, context): T => {
    const result = reader(text);
    if ('value' in result) return result.value;
    context.addIssue({ code: 'custom', message: `${result.wrong}; ${result.right}` });
    return z.NEVER;
  });

const duration = (minMs: number, maxMs: number) => {
  const range = `from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`;
  const error = (issue: RawIssue): string =>
    typeof issue.input === 'number'
      ? `${issue.input} has no unit; a whole number with ms, s, m, h, ${range}`
      : `${describe(issue.input)}; a duration such as ${formatDuration(minMs)}, ${range}`;
  return z.string({ error }).transform((text, context): number => {
    const result = readDuration(text, minMs, maxMs);
    if ('value' in result) return result.value;
    context.addIssue({ code: 'custom', message: `${result.wrong}; ${result.right}` });
    return z.NEVER;
  });
};

const oneOf = <const T extends readonly string[]>(values: T) =>
  z.enum(values, {
    error: ({ input }: RawIssue): string => {
      const allowed = values.join(', ');
      if (typeof input !== 'string') return `${describe(input)}; one of ${allowed}`;
      const near = nearest(input, values);
      return `${quote(input)} is not known; ${near === null ? '' : `${near}? `}one of ${allowed}`;
    },
  });

const flag = () => z.boolean(expected('true or false'));

/** A list of names without repetition; an empty one would exclude everything, which nobody means. */
const names = (reader: (text: string) => Read<string>, right: string, max: number) =>
  z
    .array(read(reader, right), {
      error: ({ code, input }: RawIssue): string | undefined =>
        code === 'invalid_type' ? `${describe(input)}; a list such as [${right}]` : undefined,
    })
    .min(1, `is an empty list, which excludes all; at least one entry, or leave it out`)
    .max(max, `has too many entries; at most ${max}`)
    .superRefine((list, context) => {
      const seen = new Set<string>();
      list.forEach((name, index) => {
        const message = `${quote(name)} is listed twice; keep one`;
        if (seen.has(name)) context.addIssue({ code: 'custom', path: [index], message });
        seen.add(name);
      });
    })
    .nullable()
    .default(null);

type Shape = Readonly<Record<string, z.core.$ZodType>>;

/** Where else in the file `key` is a key: `window` → `drain.window`. */
const elsewhere = (key: string): string | null => {
  const section = Object.entries(SECTIONS).find(([, shape]) => Object.hasOwn(shape, key));
  if (section !== undefined) return `${section[0]}.${key}`;
  return Object.hasOwn(FILE, key) ? `${key} at the top` : null;
};

/** One line of zod's message for each unknown key, in the order of `issue.keys`. */
const unknownKeys = (keys: readonly string[], known: readonly string[]): string =>
  keys
    .map((key) => {
      const meant = nearest(key, known) ?? elsewhere(key);
      const right = meant === null ? `known here: ${known.join(', ')}` : `did you mean ${meant}?`;
      return `is not a known key; ${right}`;
    })
    .join('\n');

const section = <T extends Shape>(shape: T, example: string) =>
  z.strictObject(shape, {
    error: (issue: RawIssue): string | undefined => {
      if (issue.code === 'unrecognized_keys') return unknownKeys(issue.keys ?? [], Object.keys(shape));
      if (issue.code !== 'invalid_type') return undefined;
      return `${describe(issue.input)}; ${example}`;
    },
  });

const NODES = () => names(readNodeName, 'n1, n2', MAX_NODES);
const INTERFACES = () => names(readInterfaceName, 'eth0', MAX_INTERFACES);

const SERVICE_IP = {
  ip: read(readServiceIp, 'one address such as 10.99.0.100 or fd99::100, quoted'),
  nodes: NODES(),
  interfaces: INTERFACES(),
};
const HEARTBEAT = {
  interval: duration(5, 10 * SECOND).default(DEFAULT_INTERVAL),
  deadAfter: duration(20, 60 * SECOND).optional(),
  keyFile: read(readPath, 'an absolute path').nullable().default(null),
  group: read(readNodeName, 'a name such as default').default('default'),
  transport: oneOf(['ethernet', 'udp']).default('ethernet'),
  inShadow: flag().default(false),
};
const DRAIN = {
  window: duration(SECOND, HOUR).default(120 * SECOND),
  quiet: duration(100, HOUR).default(10 * SECOND),
  style: oneOf(['prompt', 'patient']).default('prompt'),
};
const REBALANCE = {
  mode: oneOf(['off', 'gentle']).default('off'),
  interval: duration(SECOND, HOUR).default(30 * SECOND),
};
const ANNOUNCEMENTS = { refresh: duration(SECOND, HOUR).default(60 * SECOND) };
const JOURNAL = {
  directory: read(readPath, 'an absolute path').default('/var/lib/holdfast/journal'),
  maxSize: read((text) => readSize(text, MIB, 1024 * 1024 * MIB), 'a size such as 256MiB').default(256 * MIB),
};
const LOG = { level: oneOf(LOG_LEVELS).default('info') };
const PAGE = {
  tokenFile: read(readPath, 'an absolute path or null').nullable().default(null),
  hosts: names(readHostName, 'lb.example.org', MAX_HOSTS),
};
const KUBERNETES = {
  kubeconfig: read(readPath, 'an absolute path or null').nullable().default(null),
  loadBalancerClass: read(readClass, 'a name such as holdfast.dev/l2').default('holdfast.dev/l2'),
  defaultClass: flag().default(false),
  namespace: read(readNodeName, 'a name such as holdfast-system').nullable().default(null),
};
const SECTIONS: Readonly<Record<string, Shape>> = {
  heartbeat: HEARTBEAT,
  drain: DRAIN,
  rebalance: REBALANCE,
  announcements: ANNOUNCEMENTS,
  journal: JOURNAL,
  log: LOG,
  page: PAGE,
  kubernetes: KUBERNETES,
  'serviceIPs[]': SERVICE_IP,
};

interface Heartbeat {
  readonly interval: number;
  readonly deadAfter?: number | undefined;
}

/** The shortest hold time that `interval` allows. */
const leastHold = (interval: number): number => HOLD_INTERVALS * interval;

/** Not given, it follows the interval: `heartbeat: {interval: 100ms}` alone is a sound configuration. */
const effectiveDeadAfter = ({ interval, deadAfter }: Heartbeat): number =>
  deadAfter ?? Math.max(DEFAULT_DEAD_AFTER, leastHold(interval));

const checkHold = ({ interval, deadAfter }: Heartbeat, context: z.core.$RefinementCtx): void => {
  const least = leastHold(interval);
  if (deadAfter === undefined || deadAfter >= least) return;
  const have = `${formatDuration(deadAfter)} is less than ${HOLD_INTERVALS} × interval (${formatDuration(interval)})`;
  const rule = `the hold time is max(deadAfter, ${HOLD_INTERVALS} × interval)`;
  context.issues.push({
    code: 'custom',
    input: deadAfter,
    path: ['deadAfter'],
    message: `${have}, and ${rule}; at least ${formatDuration(least)}`,
  });
};

const listen = (port: number, fallback: { host: string | null; port: number }) =>
  read(readListen, `a text such as 127.0.0.1:${port} or ":${port}"`).nullable().default(fallback);

const FILE = {
  node: read(readNodeName, 'a name such as n1, quoted if it is a number').optional(),
  interfaces: INTERFACES(),
  serviceIPs: z
    .array(
      section(SERVICE_IP, 'a mapping such as {ip: 10.99.0.100}'),
      expected('a list such as [{ip: 10.99.0.100}], which may be empty: []'),
    )
    .optional(),
  serve: oneOf(['host', 'none']).optional(),
  announce: flag().default(true),
  probe: oneOf(['quick', 'full', 'off']).default('quick'),
  announcements: section(ANNOUNCEMENTS, 'a mapping such as {refresh: 60s}').prefault({}),
  heartbeat: section(HEARTBEAT, 'a mapping such as {interval: 50ms, deadAfter: 200ms}')
    .superRefine(checkHold)
    .transform((beat) => ({ ...beat, deadAfter: effectiveDeadAfter(beat) }))
    .prefault({}),
  drain: section(DRAIN, 'a mapping such as {window: 2m, quiet: 10s}').prefault({}),
  rebalance: section(REBALANCE, 'a mapping such as {mode: off, interval: 30s}').prefault({}),
  watchdog: duration(500, 60 * SECOND).default(3 * SECOND),
  journal: section(JOURNAL, 'a mapping such as {maxSize: 256MiB}').prefault({}),
  log: section(LOG, 'a mapping such as {level: info}').prefault({}),
  control: read(readSocketPath, 'an absolute path').default('/run/holdfast/holdfast.sock'),
  http: listen(9475, { host: '127.0.0.1', port: 9475 }),
  metrics: listen(9476, { host: null, port: 9476 }),
  page: section(PAGE, 'a mapping such as {tokenFile: /etc/holdfast/token}').prefault({}),
  cluster: oneOf(['file', 'kubernetes']).default('file'),
  kubernetes: section(KUBERNETES, 'a mapping such as {kubeconfig: null}').prefault({}),
};

export const fileSchema = section(FILE, 'a mapping of keys, serviceIPs at least');

/** A checked file: defaults in, names still those of the file, milliseconds and bytes as numbers. */
export type ConfigFile = z.output<typeof fileSchema>;
