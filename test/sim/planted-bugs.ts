// One-line bugs that the simulator must find: each says what to replace where. A text that is not there any more
// fails the run, so that the list follows the code.
export interface PlantedBug {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Where two safeguards stand, both have to go. */
  readonly also?: { readonly file: string; readonly from: string; readonly to: string };
  /** An issue names it: planted in the test too, the others by `npm run sim -- --planted` only. */
  readonly isNamed?: boolean;
  /** Seeds run with an API server. */
  readonly kubernetes?: boolean;
  /** And with these faults alone: in a crowd of others, hellos are seldom blocked in quiet. */
  readonly faults?: string;
}

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'epoch not raised',
    file: 'src/machines/contest.ts',
    from: 'const epoch = service.highestEpoch + 1;',
    to: 'const epoch = Math.max(service.highestEpoch, 1);',
    isNamed: true,
  },
  {
    name: 'weak not weak',
    file: 'src/machines/contest.ts',
    from: 'const weak = isMinority(segment, state.clock);',
    to: 'const weak = false;',
    isNamed: true,
  },
  {
    name: 'tie broken the wrong way',
    file: 'src/machines/claims.ts',
    from: 'return compareRank(a.ip, a.node, b.node);',
    to: 'return compareRank(a.ip, b.node, a.node);',
    isNamed: true,
  },
  {
    name: 'timer not cancelled: the drain of an IP that leads again',
    file: 'src/machines/service-ip.ts',
    from: "exit: [cancel('quiet'), cancel('window')],",
    to: '',
    isNamed: true,
  },
  {
    name: 'timer not cancelled: a handover that was taken',
    file: 'src/machines/core-state.ts',
    from: 'state.timers.cancel(`handover ${service.ip}`);',
    to: '',
  },
  {
    name: 'timer not cancelled: the turn to take what somebody took',
    file: 'src/machines/contest.ts',
    from: 'state.timers.cancel(timerOf(service));',
    to: '',
  },
  {
    name: 'timer not cancelled: every timer',
    file: 'src/machines/timers.ts',
    from: 'live.delete(id);',
    to: '',
  },
  {
    name: 'no announcement after healing: a peer appeared',
    file: 'src/machines/peer-news.ts',
    from: 'if (appeared.length > 0) {',
    to: 'if (appeared.length > 1_000) {',
    isNamed: true,
  },
  {
    name: 'no announcement after healing: the rival gave up',
    file: 'src/machines/contest.ts',
    from: "if (wasContested) send(state, service, { type: 'REANNOUNCE' }, service.because);",
    to: '',
  },
  {
    name: 'no announcement after healing: neither',
    file: 'src/machines/service-ip.ts',
    from: "REANNOUNCE: { actions: 'announce' },",
    to: '',
  },
  {
    name: 'claims of the dead still stand',
    file: 'src/machines/peer-news.ts',
    from: 'return segment.register.forget(node);',
    to: 'return [...segment.register.claimedBy(node)];',
  },
  {
    name: "the successor's claim not awaited before draining",
    file: 'src/machines/handover.ts',
    from: "state.emit({ type: 'yield', ip, interface: name, successor: to, patient: handover.patient });",
    to: "state.emit({ type: 'yield', ip, interface: name, successor: to, patient: handover.patient }); send(state, service, { type: 'OUTBID' }, { cause: 'planned', reason: to });",
  },
  {
    name: 'a restatement not sent',
    file: 'src/machines/hello-desk.ts',
    from: 'else desk.voice.restate(ip);',
    to: '',
  },
  {
    name: 'proven not required',
    file: 'src/machines/hello-ears.ts',
    from: 'isProven: false,',
    to: 'isProven: true,',
  },
  {
    name: 'an old instance not voided',
    file: 'src/machines/hello-ears.ts',
    from: 'if (other.node === peer.node && other !== peer) forget(other, true);',
    to: '',
  },
  {
    name: 'whole tables not awaited',
    file: 'src/machines/succession.ts',
    from: 'if (!areTablesWhole(segment, state.clock))',
    to: 'if (false && !areTablesWhole(segment, state.clock))',
  },
  {
    name: 'drain skipped',
    file: 'src/machines/service-ip.ts',
    from: "{ target: 'draining', actions: 'beginDrain' },",
    to: "{ target: 'unowned', actions: 'address.remove' },",
    isNamed: true,
  },
  {
    name: 'stale commands of an older birth obeyed',
    file: 'src/machines/wire-step.ts',
    from: 'return birth === state.instance && !state.isShut;',
    to: 'return !state.isShut;',
  },
  {
    name: 'watchdog not checked before frames',
    file: 'src/machines/wire-step.ts',
    from: "  checkMain(state, event.type === 'main.alive' ? event.at : at);",
    to: "  if (event.type !== 'frame') checkMain(state, event.type === 'main.alive' ? event.at : at);",
  },
  {
    name: "an ex-leader's queued round sent",
    file: 'src/machines/hello-desk.ts',
    from: '  state.answers.delete(ip);\n  state.announcer.stop(ip);',
    to: '  state.answers.delete(ip);',
    // Stopped with the answer, and looked at again when its time has come.
    also: {
      file: 'src/machines/wire-step.ts',
      from: '  const answer = state.answers.get(ip);\n  const mac = answer',
      to: "  const answer = state.answers.get(ip) ?? { interface: 'eth0' };\n  const mac = answer",
    },
    isNamed: true,
  },
  {
    name: 'a patient drain never ends',
    file: 'src/machines/service-ip.ts',
    from: "            QUIET_DUE: 'following',\n            WINDOW_DUE: 'following',",
    to: '',
    isNamed: true,
  },
  {
    name: 'an unheard peer taken for dead',
    file: 'src/machines/unheard.ts',
    from: '(state.cluster.leases.get(node) ?? 0) > state.clock && isSpokenFor(state, node);',
    to: 'false && isSpokenFor(state, node);',
    kubernetes: true,
    faults: 'hush',
    isNamed: true,
  },
  {
    name: 'a stale object obeyed: its holder is dead',
    file: 'src/machines/unheard.ts',
    from: '  if (!isUnheard(state, object.holder)) return null;',
    to: '',
    kubernetes: true,
    isNamed: true,
  },
  {
    name: 'a stale object obeyed: it was written over',
    file: 'src/machines/unheard.ts',
    from: 'if (isOurs && isSaidByOther && !isLeader(state, ip)) continue;',
    to: 'if (isOurs && isSaidByOther) continue;',
    kubernetes: true,
    faults: 'hush,crash',
  },
  {
    name: 'a Lease believed from before its node was heard',
    file: 'src/machines/unheard.ts',
    from: 'until - LEASE_MS > lastAliveAt(state, node) && ',
    to: '',
    kubernetes: true,
  },
  {
    name: 'a reservation not asked for',
    file: 'src/machines/unheard.ts',
    from: 'service.reservedEpoch === claim.epoch || !isAnyUnheard(state)',
    to: 'claim.epoch > 0',
    kubernetes: true,
    faults: 'hush,crash',
  },
  {
    name: 'written over before it is judged',
    file: 'src/cli/daemon/kubernetes/object-writer.ts',
    from: 'export const JUDGED_MS = 50;',
    to: 'export const JUDGED_MS = 0;',
    kubernetes: true,
    faults: 'hush',
  },
  {
    name: 'a claim that turned strong not written',
    file: 'test/sim/sim-node.ts',
    from: "        case 'answer.start':\n          agent?.changed(effect.ip);",
    to: "        case 'answer.start':",
    kubernetes: true,
  },
  {
    name: 'the watchdog never fires',
    file: 'src/machines/wire-step.ts',
    from: '  shutAll(state);\n};',
    to: '};',
  },
  {
    name: 'one-way never yields',
    file: 'src/machines/contest.ts',
    from: "send(state, service, { type: 'OUTBID' }, { cause: 'one-way', reason });",
    to: '',
  },
  {
    name: 'hellos in a row',
    file: 'src/machines/hello-voice.ts',
    from: 'export const MIN_SPACING_MS = 2;',
    to: 'export const MIN_SPACING_MS = 0.5;',
  },
  {
    name: 'a hello forgotten now and then',
    file: 'src/machines/hello-voice.ts',
    from: 'return lastAt + (isUrgent ? MIN_SPACING_MS : intervalMs);',
    to: 'return lastAt + (isUrgent ? MIN_SPACING_MS : intervalMs * 1.5);',
  },
  {
    name: 'a transition not recorded',
    file: 'src/machines/services.ts',
    from: "emit({ type: 'record',",
    to: "if (because.cause !== 'released') emit({ type: 'record',",
  },
  {
    name: 'nobody is told of a new owner',
    file: 'src/machines/wire-step.ts',
    from: '      announceOrDefer(state, at, command.ip);\n',
    to: '',
  },
  {
    name: 'a drained node taken for a successor',
    file: 'src/machines/succession.ts',
    from: '&& peer.fact.flags.ready)',
    to: ')',
  },
  {
    name: 'a claim that was given up is not released',
    file: 'src/machines/hello-ears.ts',
    from: 'if (peer.claims.delete(ip) || wasFormer) released.push(ip);',
    to: 'peer.claims.delete(ip);',
  },
  {
    name: 'clients of a drain are not asked to follow',
    file: 'src/machines/carrier.ts',
    from: 'questions.push(question(drain, client, at));',
    to: 'question(drain, client, at);',
  },
  {
    name: 'a new owner asks no client',
    file: 'src/machines/clients.ts',
    from: 'for (const client of open) questions.push({ ip, client });',
    to: '',
  },
  {
    name: 'announced once only',
    file: 'src/machines/announcer.ts',
    from: 'if (round < ANNOUNCE_ROUNDS) return timers.set(ip, at + ROUND_SPACING_MS, { ip, round });',
    to: '',
  },
  {
    name: 'a drain ends though clients still send',
    file: 'src/machines/service-ip.ts',
    from: "            CARRIED: { actions: raise({ type: 'QUIET_DUE' }, { delay: 'quiet', id: 'quiet' }) },\n            QUIET_DUE: { target",
    to: '            QUIET_DUE: { target',
  },
  {
    name: 'a named successor does not take',
    file: 'src/machines/contest.ts',
    from: 'if (holder.successor !== myName(state) || isBlocked(service.snapshot)) return;',
    to: 'return;',
  },
  {
    name: 'a weak claim never turns strong',
    file: 'src/machines/peer-news.ts',
    from: "send(state, service, { type: 'STRENGTHEN' }, service.because);",
    to: '',
  },
  {
    name: 'a weak claim turns strong in a minority',
    file: 'src/machines/peer-news.ts',
    from: 'if (config === null || alivePeers(segment).length === 0 || isMinority(segment, state.clock)) return;',
    to: 'if (config === null) return;',
  },
  {
    name: 'not born anew after a pause',
    file: 'src/machines/wire-step.ts',
    from: 'if (state.isShut || !hasPeers || byMs < holdMs(state)) return NOTHING;',
    to: 'if (byMs >= 0) return NOTHING;',
  },
  {
    name: 'a node that nobody hears takes',
    file: 'src/machines/succession.ts',
    from: "if (!isHeardBySomeone(segment)) return 'none of the peers it hears hears it';",
    to: '',
  },
  {
    name: 'taken for dead too early',
    file: 'src/machines/peers.ts',
    from: 'silentSince !== null && at >= silentSince + fact.holdMs;',
    to: 'silentSince !== null && at >= silentSince + fact.holdMs / 4;',
  },
  {
    name: 'taken for dead too late',
    file: 'src/machines/peers.ts',
    from: 'silentSince !== null && at >= silentSince + fact.holdMs;',
    to: 'silentSince !== null && at >= silentSince + 3 * fact.holdMs;',
  },
  {
    name: 'a drained node takes',
    file: 'src/machines/succession.ts',
    from: 'return isDrained(state) ? DRAINED : null;',
    to: 'return null;',
  },
  {
    name: 'a dropped claim is still said',
    file: 'src/machines/hello-voice.ts',
    from: '      table.delete(ip);\n      sorted = null;',
    to: '      sorted = null;',
  },
  {
    name: 'only the first slice is ever said',
    file: 'src/machines/hello-voice.ts',
    from: 'cursor = to === LAST_KEY ? FIRST_KEY : to;',
    to: 'cursor = FIRST_KEY;',
  },
  {
    name: 'a birth does not listen first',
    file: 'src/machines/config.ts',
    from: 'export const startDelayMs = ({ heartbeat }: CoreConfig): number =>',
    to: 'export const startDelayMs = ({ heartbeat }: CoreConfig): number => 0 *',
  },
  {
    name: "a deaf node's claim stands",
    file: 'src/machines/segments.ts',
    from: 'return peer !== undefined && peers.counts(node) && !isDeaf(peer);',
    to: 'return peer !== undefined && peers.counts(node);',
  },
  {
    name: 'a silent peer never dies',
    file: 'src/machines/peers.ts',
    from: "const vouched = peer.fact.proven && listed.has(peer.fact.instance) ? 'vouched' : 'dead';",
    to: "const vouched = peer.fact.proven ? 'vouched' : 'dead';",
  },
  {
    name: 'all take at once',
    file: 'src/machines/succession.ts',
    from: 'Math.min(rank, MAX_WAITING_RANK) * (INTERVALS_PER_RANK * intervalOf(segment, config) + probeMs);',
    to: '0 * rank;',
  },
  {
    name: 'nothing is repeated for those who do not hear it',
    file: 'src/machines/peer-news.ts',
    from: "state.emit({ type: 'witness', interface: segment.name, claims });",
    to: '',
  },
  {
    name: 'an ex-leader goes on answering',
    file: 'src/machines/service-ip.ts',
    from: "exit: 'answer.stop',\n      initial: 'settled',",
    to: "initial: 'settled',",
  },
];
