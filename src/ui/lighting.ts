// Which parts of the drawing are lit: the state an IP is in, and the arrows that it just took. Pure; diagram-view.ts
// paints it.

export interface Arrow {
  readonly from: string;
  readonly to: string;
}

const top = (path: string): string => path.split('.', 1)[0] ?? path;

/** `leader.settled`, or `leader` where the part is not known. */
export const pathOf = (state: string, substate: string | null): string =>
  substate === null ? state : `${state}.${substate}`;

/** The state and those around it. */
export const litStates = (path: string): readonly string[] =>
  path === top(path) ? [path] : [top(path), path];

/**
 * The arrows that may have led from one top state to another. Where several can have done so, those that leave the
 * part it was last seen in, or the state around it.
 */
export const takenArrows = <T extends Arrow>(
  arrows: readonly T[],
  was: string,
  move: { readonly from: string; readonly to: string },
): readonly T[] => {
  const possible = arrows.filter(({ from, to }) => top(from) === move.from && top(to) === move.to);
  const exact = possible.filter(({ from }) => from === was || from === top(was));
  return exact.length > 0 ? exact : possible;
};
