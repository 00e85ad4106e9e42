// Every checker by its name: one file for each claim of design.md about the whole cluster.
import { announced } from './announced.ts';
import { announcesOwn } from './announces-own.ts';
import { bornAgain } from './born-again.ts';
import type { CreateChecker } from './checker.ts';
import { claimOrder } from './claim-order.ts';
import { clientsAsked } from './clients-asked.ts';
import { deadInTime } from './dead-in-time.ts';
import { drainEnds } from './drain-ends.ts';
import { drained } from './drained.ts';
import { explained } from './explained.ts';
import { healed } from './healed.ts';
import { heardFirst } from './heard-first.ts';
import { heartbeat } from './heartbeat.ts';
import { neverDark } from './never-dark.ts';
import { noStorm } from './no-storm.ts';
import { objectsAgree } from './objects-agree.ts';
import { objectsDecide } from './objects-decide.ts';
import { overslept } from './overslept.ts';
import { plannedMove } from './planned-move.ts';
import { reach } from './reach.ts';
import { replayIdentical } from './replay-identical.ts';
import { singleAnswerer } from './single-answerer.ts';
import { staleClients } from './stale-clients.ts';
import { sticky } from './sticky.ts';
import { timersWanted } from './timers-wanted.ts';
import { watchdog } from './watchdog.ts';
import { weakClaims } from './weak-claims.ts';
import { witnessed } from './witnessed.ts';

export const CHECKERS: Readonly<Record<string, CreateChecker>> = {
  'single-answerer': singleAnswerer,
  'never-dark': neverDark,
  healed,
  'no-storm': noStorm,
  'planned-move': plannedMove,
  'replay-identical': replayIdentical,
  sticky,
  'claim-order': claimOrder,
  drained,
  'born-again': bornAgain,
  watchdog,
  'weak-claims': weakClaims,
  'timers-wanted': timersWanted,
  'drain-ends': drainEnds,
  'announces-own': announcesOwn,
  'objects-decide': objectsDecide,
  'objects-agree': objectsAgree,
  'dead-in-time': deadInTime,
  'heard-first': heardFirst,
  announced,
  'clients-asked': clientsAsked,
  'stale-clients': staleClients,
  overslept,
  witnessed,
  explained,
  heartbeat,
  reach,
};
