// A stage of the lab for a test: three daemons and clients on one switch, gone when the test is over, and the
// assertion that every test ends with, that each journal replays identically.
import assert from 'node:assert/strict';

import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type Holding, holdings as holdingsOf } from '../../src/cli/lab/holdings.ts';
import { type LabNode, waitFor } from '../../src/cli/lab/lab-node.ts';
import { withRecordedGaps } from '../../src/cli/lab/recorded-gaps.ts';
import {
  playOn,
  type Scenario,
  type ScenarioLine,
  SHORT_DRAIN,
  stageOptionsFor,
} from '../../src/cli/lab/scenario.ts';
import { createStage, type Stage, type StageOptions } from '../../src/cli/lab/stage.ts';
import { type WireContext, within } from './lab.ts';

/** What a stage needs beside root. */
export const STAGE_TOOLS = ['nft'];

/** Three nodes, two clients and short draining unless `options` say otherwise; settled when it resolves. */
export const stageFor = async (context: WireContext, options: Partial<StageOptions> = {}): Promise<Stage> => {
  const stage = await createStage({ nodes: 3, clients: 2, extra: SHORT_DRAIN, ...options });
  context.after(() => stage.dispose());
  await stage.owners(undefined, 30_000);
  return stage;
};

export const assertReplaysIdentically = async (stage: Stage): Promise<void> => {
  assert.equal(await stage.replayed(), null);
};

/** Plays a scenario so many times on one stage; gives every line, held against the journals. */
export const playOften = async (
  context: WireContext,
  scenario: Scenario,
  times: number,
): Promise<readonly ScenarioLine[]> => {
  const stage = await createStage(stageOptionsFor(scenario));
  context.after(() => stage.dispose());
  const lines: ScenarioLine[] = [];
  for (let i = 0; i < times; i += 1) {
    const journals = stage.nodes.map(({ journal }) => journal);
    const played = withRecordedGaps(scenario, await playOn(stage, scenario, () => {}), journals, () => {});
    for (const line of played) context.diagnostic(JSON.stringify(line));
    lines.push(...played);
  }
  await assertReplaysIdentically(stage);
  return lines;
};

export const assertKept = (lines: readonly ScenarioLine[]): void => {
  const broken = lines.filter(({ ok }) => !ok);
  within(broken.length, 0, `promises broken: ${JSON.stringify(broken)}`);
  assert(lines.length > 0);
};

/** Who owns what at which epoch: a change of either is a move. */
export const holdings = async (stage: Stage): Promise<Readonly<Record<string, Holding>>> =>
  Object.fromEntries(await holdingsOf(stage));

/** A key file of one line, emptied when the test is over; its path. */
export const keyFile = (context: WireContext, name: string, key: string): string => {
  const file = join(tmpdir(), `holdfast-test-${process.pid}-${name}`);
  writeFileSync(file, `${key}\n`, { mode: 0o600 });
  context.after(() => rmSync(file, { force: true }));
  return file;
};

/** The nodes that do not own `ip`, running ones first asked. */
export const othersThan = (stage: Stage, owner: LabNode): readonly LabNode[] =>
  stage.nodes.filter((node) => node !== owner && node.isRunning());

/** A claim made while hearing nobody is weak at first: no attack's doing when it turns strong. */
export const untilStrong = async (stage: Stage): Promise<void> => {
  const areStrong = async (node: LabNode): Promise<boolean> =>
    (await node.status()).serviceIPs.every(({ weak }) => !weak);
  await stage.settled();
  await waitFor('every claim to be strong', 5_000, async () =>
    (await Promise.all(stage.nodes.filter((node) => node.isRunning()).map(areStrong))).every(Boolean)
      ? true
      : null,
  );
};
