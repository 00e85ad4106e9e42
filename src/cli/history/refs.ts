// Where something stands: `file:line`. Segment names bear node and birth, so people need no folder.
import { basename } from 'node:path';

export const shortRef = (ref: string): string => basename(ref);
