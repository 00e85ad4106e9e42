// One scenario from the building of its stage to the replay of every journal, standalone or in Kubernetes mode.
import type { LabRecord } from './lab-record.ts';
import { withRecordedGaps } from './recorded-gaps.ts';
import { playOn, type Say, type Scenario, type ScenarioLine, stageOptionsFor } from './scenario.ts';
import { type ApiState, playInCluster } from './scenario-kubernetes.ts';
import { createStage, type Profile } from './stage.ts';

export interface PlayOptions {
  readonly nodes: number | null;
  /** Absent: standalone nodes. */
  readonly kubernetes?: ApiState;
  readonly profile?: Profile;
  /** What the nodes run; absent: this checkout. */
  readonly program?: string;
  /** What the nodes run at first, until the scenario upgrades them. */
  readonly from?: string;
  readonly say: Say;
  /** Keeps the journals. */
  readonly record?: LabRecord | null;
}

/** Builds the stage, plays one scenario on it, and replays every journal: one that differs breaks the promise. */
export const runScenario = async (
  scenario: Scenario,
  { nodes, profile, kubernetes, program, from, say, record }: PlayOptions,
): Promise<readonly ScenarioLine[]> => {
  const stage = await createStage({
    ...stageOptionsFor(scenario, { nodes, profile }),
    kubernetes: kubernetes !== undefined,
    ...(program === undefined ? {} : { program }),
    ...(from === undefined ? {} : { from }),
  });
  try {
    const lines =
      kubernetes === undefined
        ? await playOn(stage, scenario, say)
        : await playInCluster(stage, scenario, kubernetes, say);
    const difference = await stage.replayed();
    if (difference === null) say(`the journals of ${stage.nodes.length} nodes replay identically`);
    const replayed =
      difference === null ? lines : lines.map((line) => ({ ...line, ok: false, note: difference }));
    const journals = stage.nodes.map(({ journal }) => journal);
    const told = withRecordedGaps(scenario, replayed, journals, say);
    // Its name without what --api-down adds.
    const [name = 'scenario'] = (lines[0]?.scenario ?? '').split(',', 1);
    record?.add(name, scenario.summary, told, stage.nodes);
    return told;
  } finally {
    await stage.dispose();
  }
};
