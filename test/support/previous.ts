// The version before this one, as far as the repository's history has it: the release that is upgraded from.
import { spawnSync } from 'node:child_process';

/** There is no tag yet: the state of a day before. A release puts its predecessor's tag here. */
export const PREVIOUS_COMMIT = '14a950f99433881da98a931245e2b4792f39bdab';

/** Why it cannot be had here, in words; null when it can. */
export const previousObstacle = (): string | null => {
  const args = ['-C', import.meta.dirname, 'rev-parse', '-q', '--verify', `${PREVIOUS_COMMIT}^{commit}`];
  const { status } = spawnSync('git', args, { stdio: 'ignore' });
  return status === 0
    ? null
    : `commit ${PREVIOUS_COMMIT} is not in this checkout's history (a shallow clone?)`;
};
