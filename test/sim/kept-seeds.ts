// Seeds that once found a fault, with what it was: run in every test run, so that it stays found.
import type { SimulationOptions } from './run.ts';

export interface KeptSeed {
  readonly options: SimulationOptions;
  readonly found: string;
}

/** Runs that drew from the first kinds of fault only, before operators and attackers came. */
const early = (nodes: number, ips: number, found: string, seeds: readonly number[]): KeptSeed[] =>
  seeds.map((seed) => ({ options: { seed, nodes, ips, era: 'first' }, found }));

const operator = (faults: readonly string[], found: string, seeds: readonly number[]): KeptSeed[] =>
  seeds.map((seed) => ({ options: { seed, faults }, found }));

/** Runs with operators, attackers and an API server, before segments, disks and versions came. */
const second = (found: string, all: readonly SimulationOptions[]): KeptSeed[] =>
  all.map((options) => ({ options: { ...options, era: 'second' }, found }));

const OPERATOR = ['drain', 'drain-two', 'drain-ip', 'drain-to', 'undrain', 'stop-all'] as const;
const CLAIMS = 'fault in the first rules of claims';

export const KEPT_SEEDS: readonly KeptSeed[] = [
  ...early(3, 5, CLAIMS, [5, 12, 25, 73, 78, 85, 87, 96, 122, 142, 146, 175, 210, 238, 276, 321, 380, 405]),
  ...early(5, 10, CLAIMS, [79, 189, 223]),
  ...early(5, 6, CLAIMS, [1176]),
  ...operator(OPERATOR, 'drained node that takes what another drained node hands over', [63, 103, 146]),
  ...operator(OPERATOR, 'timer of a planned move that runs on after its end', [22, 62]),
  ...operator(
    ['replay', 'withhold', 'restart', 'deaf'],
    'timer of a planned move that runs on after one-way',
    [9],
  ),
  ...second('a peer that was late by less than it seemed, and came back without its IP', [
    { seed: 105030, nodes: 5 },
  ]),
  ...second('finding of fresh seeds on 20 November', [
    { seed: 103850 },
    { seed: 103850, nodes: 3 },
    { seed: 91134 },
    { seed: 91134, nodes: 3 },
    { seed: 102750 },
    { seed: 102750, nodes: 3 },
  ]),
  ...[true, false].flatMap((kubernetes) =>
    [8, 23, 57].map((seed) => ({
      options: { seed, kubernetes, faults: ['hush', 'crash', 'api-away'] },
      found: `finding among blocked hellos, with ${kubernetes ? 'an' : 'no'} API server`,
    })),
  ),
  ...[
    { seed: 3142, nodes: 3 },
    { seed: 10337, nodes: 2, ips: 4 },
  ].map((options) => ({ options, found: 'hellos that were withheld and believed later' })),
  { options: { seed: 101629 }, found: 'gave way to a deaf node whose claim a third one witnessed' },
];
