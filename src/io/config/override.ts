// Single keys of a recorded configuration set to other values, as `key=value` in the file's own terms and by the
// file's own schema: what a what-if accepts, the daemon would accept.
import { parseDocument, parse as parseValue } from 'yaml';
import type { CoreConfig } from '../../machines/config.ts';
import { type Config, toCoreConfig } from './config.ts';
import { formatConfig } from './format-config.ts';
import { parseConfig } from './load-config.ts';
import { oneLine } from './wrong.ts';

export interface Setting {
  /** `drain.window`, `serviceIPs.0.nodes`. */
  readonly key: string;
  /** As it would stand in the file: `30s`, `[n1, n2]`. */
  readonly value: string;
}

/** What is written `key=value`; null: there is no `=`, or nothing before it. */
export const readSetting = (text: string): Setting | null => {
  const at = text.indexOf('=');
  return at < 1 ? null : { key: text.slice(0, at), value: text.slice(at + 1) };
};

/** A whole configuration around the recorded part; the rest has defaults. */
const wholeOf = (recorded: CoreConfig): Config => {
  const parsed = parseConfig('serviceIPs: []', 'defaults', recorded.node);
  if (!parsed.ok) throw new Error(`the defaults are no configuration: ${parsed.problems[0]?.text}`);
  const { heartbeat, rebalance, ...same } = recorded;
  return {
    ...parsed.config,
    ...same,
    heartbeat: { ...parsed.config.heartbeat, ...heartbeat },
    rebalance:
      rebalance === null
        ? parsed.config.rebalance
        : { mode: 'gentle' as const, intervalMs: rebalance.intervalMs },
  };
};

const pathOf = (key: string): (string | number)[] =>
  key.split('.').map((step) => (/^\d+$/.test(step) ? Number(step) : step));

/** `recorded` with the settings; or one line about each that is not right. */
export const overrideConfig = (
  recorded: CoreConfig,
  settings: readonly Setting[],
): { readonly config: CoreConfig } | { readonly problems: readonly string[] } => {
  const document = parseDocument(formatConfig(wholeOf(recorded)));
  for (const { key, value } of settings) {
    if (key === 'node') return { problems: ['node: the record is the one of its node; no other can be set'] };
    try {
      document.setIn(pathOf(key), parseValue(value));
    } catch (error) {
      return { problems: [`${key}: ${oneLine((error as Error).message)}; key=value as in the file`] };
    }
  }
  const parsed = parseConfig(String(document), '--set', recorded.node);
  if (parsed.ok) return { config: toCoreConfig(parsed.config) };
  return { problems: parsed.problems.map(({ text }) => text.replace(/^--set:(\d+:)? */, '')) };
};
