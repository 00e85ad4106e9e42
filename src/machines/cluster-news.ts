// News from the cluster: which service IPs there are and who may hold them, which silent peers live, and what the
// ServiceIP objects say.

import type { ServiceIpConfig } from './config.ts';
import { listenFirst, reconsider, reconsiderAll } from './contest.ts';
import { applyPolicy, type CoreState, isDrained, myName, send } from './core-state.ts';
import type { Ip } from './frames.ts';
import { keepHere, retryHandovers } from './handover.ts';
import type { Input } from './inputs.ts';
import { reconsiderUnheld } from './peer-news.ts';
import { stateOf } from './service-ip.ts';
import { policyOf, type Service } from './services.ts';
import { endLeases, renewLease, seeObjects, unheardClaim } from './unheard.ts';

/** Kubernetes: some service IPs are otherwise now, or no more. */
export const changeServices = (
  state: CoreState,
  changed: readonly ServiceIpConfig[],
  gone: readonly Ip[],
): void => {
  const { services, config } = state;
  if (config === null) return;
  const concerned: Service[] = [];
  for (const wanted of changed) {
    const service =
      services.all.get(wanted.ip) ?? services.create(wanted, policyOf(config, wanted), state.clock);
    service.config = wanted;
    // Who waited while nobody might take it has not waited for those before it.
    service.ranking = null;
    applyPolicy(state, service);
    // What it was to give since it could not serve it, and nobody took, it may serve again.
    const mayServe = wanted.nodes === null || wanted.nodes.includes(config.node);
    const hasStayed = service.handover !== null && service.handover.stays !== null;
    if (mayServe && hasStayed && !isDrained(state) && state.stopping === null) keepHere(state, service);
    const { epoch = 0 } = state.cluster.objects.get(wanted.ip) ?? {};
    service.highestEpoch = Math.max(service.highestEpoch, epoch);
    concerned.push(service);
  }
  for (const ip of gone) {
    const service = services.all.get(ip);
    if (service === undefined) continue;
    service.config = null;
    concerned.push(service);
  }
  for (const { ip } of concerned) state.placements.delete(ip);
  listenFirst(state, config);
  for (const service of concerned) reconsider(state, service);
  retryHandovers(state);
};

/** Nobody hears them and nobody reads of them: what they held is vacant. */
export const leasesDue = (state: CoreState): void => {
  const dead = new Set(endLeases(state));
  for (const { ip, holder } of state.cluster.objects.values()) {
    const service = holder !== null && dead.has(holder) ? state.services.all.get(ip) : undefined;
    if (service !== undefined) service.vacancy = { cause: 'holder-dead', reason: `${holder}'s Lease ended` };
  }
  reconsiderUnheld(state);
};

export const hearObjects = (
  state: CoreState,
  { objects, isNews }: Extract<Input, { type: 'objects.seen' }>,
): void => {
  const living = seeObjects(state, objects, isNews).filter((node) => renewLease(state, node));
  for (const { ip } of objects) {
    const service = state.services.all.get(ip);
    if (service === undefined) continue;
    reconsider(state, service);
    // Whoever wrote it has announced itself on the wire, and gives way only when it reads this node's object.
    if (isNews && stateOf(service.snapshot) === 'leader' && unheardClaim(state, ip) !== null)
      send(state, service, { type: 'REANNOUNCE' }, service.because);
  }
  if (living.length > 0) reconsiderAll(state);
};

export const answerReserve = (state: CoreState, ip: Ip, epoch: number, won: boolean): void => {
  const service = state.services.all.get(ip);
  if (service === undefined || !won) return;
  service.reservedEpoch = epoch;
  // Whatever the object said before was judged when this was asked for, and is settled.
  state.cluster.objects.set(ip, { ip, holder: myName(state), epoch, weak: false });
  reconsider(state, service);
};
