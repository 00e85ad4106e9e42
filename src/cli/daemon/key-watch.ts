// Notices that the key file has other contents, so that keys rotate without a signal: in a Pod nobody sends one, and
// the kubelet changes the file. By polling: the file may be a link into a folder that is replaced as a whole.
import { statSync } from 'node:fs';

/** Far below the minute or two that a kubelet takes, or a person between two steps of a rotation. */
const POLL_MS = 5_000;

const stateOf = (file: string | null): string => {
  if (file === null) return '';
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(file);
    return `${file} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  } catch (error) {
    return `${file} ${(error as NodeJS.ErrnoException).code}`;
  }
};

/** `file`: the one configured now. `onChange` is called for every change of it since the last look. */
export const watchKeys = (file: () => string | null, onChange: () => void, pollMs = POLL_MS) => {
  let seen = stateOf(file());
  const timer = setInterval(() => {
    const state = stateOf(file());
    if (state === seen) return;
    seen = state;
    onChange();
  }, pollMs);
  return { close: () => clearInterval(timer) };
};
