// The annotations that Holdfast reads, its own and MetalLB's for the same thing. Ours win; where two say different
// things the loser is named, because an annotation that is silently ignored looks like a bug.
import type { Intent } from '../../../machines/cluster/cluster-facts.ts';
import type { Ip } from '../../../machines/frames.ts';
import { readServiceIp } from '../../config/service-address.ts';
import { quote } from '../../config/wrong.ts';

const OURS = 'holdfast.dev/';
const THEIRS = ['metallb.io/', 'metallb.universe.tf/'];

/** On a Service: the node that its addresses are to move to. */
export const MOVE_TO = `${OURS}move-to`;
/** On a Node: `true`, `prompt` or `patient`. */
export const DRAIN = `${OURS}drain`;
/** On a Service, written by the allocator: `10.99.0.100,fd99::100@TOKEN`. */
export const RESERVATION = `${OURS}reservation`;

type Annotations = Readonly<Record<string, string>>;

export interface Said {
  /** The annotation or field that said it. */
  readonly key: string;
  readonly text: string;
}

/** Who said it first of ours, MetalLB's two prefixes, and `field`; each later one that differs is noted. */
export const saidFirst = (
  annotations: Annotations,
  name: string,
  note: (line: string) => void,
  field: Said | null = null,
): Said | null => {
  const said: Said[] = [];
  for (const prefix of [OURS, ...THEIRS]) {
    const text = annotations[`${prefix}${name}`]?.trim();
    if (text) said.push({ key: `${prefix}${name}`, text });
  }
  if (field !== null && field.text.trim() !== '') said.push(field);
  const [first, ...others] = said;
  for (const other of others) {
    if (first !== undefined && other.text !== first.text)
      note(`${other.key} ${quote(other.text)} is ignored, since ${first.key} says ${quote(first.text)}`);
  }
  return first ?? null;
};

/** Comma-separated addresses, at most one of each family; or why not, in one line. */
export const readAddresses = ({
  key,
  text,
}: Said): { readonly ips: readonly Ip[] } | { readonly fault: string } => {
  const ips: Ip[] = [];
  for (const part of text.split(',')) {
    const read = readServiceIp(part.trim());
    if ('wrong' in read) return { fault: `${key}: ${read.wrong}; write ${read.right}` };
    const twin = ips.find((ip) => ip.includes(':') === read.value.includes(':'));
    if (twin !== undefined)
      return { fault: `${key}: ${twin} and ${read.value} are of one family; write at most one of each` };
    ips.push(read.value);
  }
  return { ips };
};

/** The text of the reservation annotation. */
export const formatIntent = (ips: readonly Ip[], token: string): string => `${ips.join()}@${token}`;

/** What `formatIntent` wrote; null for anything else. */
export const readIntent = (text: string): Intent | null => {
  const at = text.indexOf('@');
  if (at < 0 || at === text.length - 1) return null;
  const ips: Ip[] = [];
  for (const part of at === 0 ? [] : text.slice(0, at).split(',')) {
    const read = readServiceIp(part);
    if ('wrong' in read) return null;
    ips.push(read.value);
  }
  return { ips, token: text.slice(at + 1) };
};
