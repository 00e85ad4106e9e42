// One scenario from the building of its stage to the replay of every journal, standalone or in Kubernetes mode.
import { playOn, type Say, type Scenario, type ScenarioLine, stageOptionsFor } from './scenario.ts';
import { type ApiState, playInCluster } from './scenario-kubernetes.ts';
import { createStage, type Profile } from './stage.ts';

export interface PlayOptions {
  readonly nodes: number | null;
  /** Absent: standalone nodes. */
  readonly kubernetes?: ApiState;
  readonly profile?: Profile;
  readonly say: Say;
}

/** Builds the stage, plays one scenario on it, and replays every journal: one that differs breaks the promise. */
export const runScenario = async (
  scenario: Scenario,
  { nodes, profile, kubernetes, say }: PlayOptions,
): Promise<readonly ScenarioLine[]> => {
  const stage = await createStage({
    ...stageOptionsFor(scenario, { nodes, profile }),
    kubernetes: kubernetes !== undefined,
  });
  try {
    const lines =
      kubernetes === undefined
        ? await playOn(stage, scenario, say)
        : await playInCluster(stage, scenario, kubernetes, say);
    const difference = await stage.replayed();
    if (difference === null) {
      say(`the journals of ${stage.nodes.length} nodes replay identically`);
      return lines;
    }
    return lines.map((line) => ({ ...line, ok: false, note: difference }));
  } finally {
    await stage.dispose();
  }
};
