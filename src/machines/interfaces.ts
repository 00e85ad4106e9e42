// Which interface a service IP lives on: the one whose on-link prefix holds it, or the one the config names.

import { holds } from './addresses.ts';
import type { CoreConfig, ServiceIpConfig } from './config.ts';
import type { InterfaceFact } from './inputs.ts';

/** `on` may be an interface that is down: the wire thread listens there, the IP waits. */
export type Placement =
  | { readonly on: InterfaceFact; readonly obstacle: null }
  | { readonly on: InterfaceFact | null; readonly obstacle: string };

const byName = (a: InterfaceFact, b: InterfaceFact): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

/**
 * The interface for `service`, or why there is none. Where several qualify, the `current` one stays while it is
 * up, then one that is up wins, then the first by name; the choice depends on the facts only, so that a replay makes it again.
 */
export const placeService = (
  service: ServiceIpConfig,
  config: CoreConfig,
  interfaces: ReadonlyMap<string, InterfaceFact>,
  current: string | null = null,
): Placement => {
  const named = service.interfaces ?? config.interfaces;
  const known = [...interfaces.values()].sort(byName);
  const allowed = named === null ? known : known.filter(({ name }) => named.includes(name));
  if (named !== null && allowed.length === 0) {
    return { on: null, obstacle: `no interface ${named.join(', ')} on this host` };
  }
  const onLink = allowed.filter(({ prefixes }) => prefixes.some((prefix) => holds(prefix, service.ip)));
  // An interface that the config names for this very IP needs no prefix: the operator knows the link.
  const candidates = onLink.length > 0 || service.interfaces === null ? onLink : allowed;
  if (candidates.length === 0) {
    const where = named === null ? 'any interface' : named.join(', ');
    return { on: null, obstacle: `it is on no on-link prefix of ${where}` };
  }
  const chosen =
    candidates.find(({ up, name }) => up && name === current) ??
    candidates.find(({ up }) => up) ??
    (candidates[0] as InterfaceFact);
  const obstacle = chosen.up ? null : `${chosen.name} is down or has no carrier`;
  return { on: chosen, obstacle };
};
