// A journal told with other names: every record with nodes, addresses and MACs replaced (pseudonyms.ts), sealed
// anew. Interface names, times, instances and everything that decisions are made of stay.
import { writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Prefix } from '../../machines/addresses.ts';
import { fileLines } from './file-lines.ts';
import { type JournalRecord, NO_HASH, openLine, parseBody, seal } from './journal-lines.ts';
import type { Names, Pseudonyms } from './pseudonyms.ts';

/** Words of the format, not of the site: a node may be called `host` and these stay. */
const WORDS_AT: ReadonlySet<string> = new Set([
  'type',
  'cause',
  'serve',
  'probe',
  'style',
  'kind',
  'version',
  'instance',
  'interface',
  'group',
  'name',
  'holdfast',
  'source',
  'code',
  'value',
  'state',
]);
const STATES: ReadonlySet<string> = new Set(['unowned', 'candidate', 'leader', 'draining']);

/** Where a node is named: of itself or of others, as a successor, as whom the operator wants. */
const NODE_AT: ReadonlySet<string> = new Set(['node', 'successor', 'to', 'wanted']);

const isPrefix = (value: object): value is Prefix =>
  'length' in value && typeof value.length === 'number' && 'ip' in value && typeof value.ip === 'string';

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;
/** What may be a name or an address within a sentence; punctuation at its end is the sentence's. */
const TOKEN = /[A-Za-z0-9][A-Za-z0-9.:-]*/g;

const replaceToken = (token: string, names: Pseudonyms): string => {
  const node = names.node(token);
  if (node !== null) return node;
  if (MAC.test(token)) return names.mac(token.toLowerCase());
  return isIP(token) === 0 ? token : names.ip(token);
};

/** A text for people, or a value, with every name in it replaced. */
export const redactText = (text: string, names: Pseudonyms): string =>
  text.replace(TOKEN, (token) => {
    const end = /[.:-]+$/.exec(token)?.[0] ?? '';
    // `fd99::` ends in colons and is an address; `n1:` is a name before a colon.
    if (end === '' || isIP(token) !== 0) return replaceToken(token, names);
    return replaceToken(token.slice(0, -end.length), names) + end;
  });

/** A JSON value with every name in it replaced. */
export const redactValue = (value: unknown, names: Pseudonyms, key = ''): unknown => {
  if (typeof value === 'string') {
    const isWord = WORDS_AT.has(key) || ((key === 'from' || key === 'to') && STATES.has(value));
    return isWord ? value : redactText(value, names);
  }
  if (Array.isArray(value)) return value.map((item) => redactValue(item, names, key));
  if (typeof value !== 'object' || value === null) return value;
  if (isPrefix(value)) return names.prefix(value);
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, redactValue(item, names, name)]),
  );
};

interface Gathered extends Names {
  readonly nodes: Set<string>;
  readonly serviceIPs: Set<string>;
  readonly prefixes: Prefix[];
}

const gatherValue = (value: unknown, into: Gathered, seen: Set<string>): void => {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) gatherValue(item, into, seen);
    return;
  }
  if (isPrefix(value)) {
    const text = `${value.ip}/${value.length}`;
    if (!seen.has(text)) into.prefixes.push(value);
    seen.add(text);
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    if (NODE_AT.has(key) && typeof item === 'string') {
      if (!STATES.has(item)) into.nodes.add(item);
    } else if (key === 'nodes' && Array.isArray(item)) for (const node of item) into.nodes.add(String(node));
    else if (key === 'serviceIPs' && Array.isArray(item))
      for (const service of item as readonly { ip?: unknown; nodes?: unknown }[]) {
        if (typeof service.ip === 'string') into.serviceIPs.add(service.ip);
        if (Array.isArray(service.nodes)) for (const node of service.nodes) into.nodes.add(String(node));
      }
    else gatherValue(item, into, seen);
  }
};

/** The records of a segment that can be read. What cannot is left out: nobody knows what it would tell. */
function* recordsOf(file: string): Generator<JournalRecord> {
  for (const line of fileLines(file)) {
    const opened = openLine(null, line);
    const record = opened.ok ? parseBody(opened.body) : null;
    if (record !== null) yield record;
  }
}

/** Every node, service IP and prefix that the segments name. */
export const gatherNames = (files: readonly string[]): Names => {
  const into: Gathered = { nodes: new Set(), serviceIPs: new Set(), prefixes: [] };
  const seen = new Set<string>();
  for (const file of files) for (const record of recordsOf(file)) gatherValue(record, into, seen);
  return into;
};

/** Collected until written; a segment of the daemon has 32 MiB. */
const PIECE_CHARACTERS = 4 * 1024 * 1024;

/**
 * Writes the segment `file` to `target` under other names. `previous`: the hash at which the segment before, if it is
 * of the same life, ended in its new form. Returns the hash at which this one ends.
 */
export const redactSegment = (
  file: string,
  target: string,
  names: Pseudonyms,
  previous: string | null,
): string => {
  let hash = NO_HASH;
  let text = '';
  writeFileSync(target, '');
  const flush = (): void => {
    writeFileSync(target, text, { flag: 'a' });
    text = '';
  };
  for (const record of recordsOf(file)) {
    const redacted = redactValue(record, names) as JournalRecord;
    const linked = 'holdfast' in redacted && previous !== null ? { ...redacted, previous } : redacted;
    const sealed = seal(hash, JSON.stringify(linked));
    hash = sealed.hash;
    text += `${sealed.line}\n`;
    if (text.length > PIECE_CHARACTERS) flush();
  }
  flush();
  return hash;
};
