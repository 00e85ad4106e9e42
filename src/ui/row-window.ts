// Which rows of a long list are drawn: those in sight and some around them, so that 10,000 cost as much as 40. Pure.

export interface RowWindow {
  /** First row drawn, and the one after the last. */
  readonly from: number;
  readonly to: number;
}

/** Rows beyond either edge: scrolling by a wheel's notch finds them drawn already. */
const AROUND = 8;

/** `scrolled`, `height`, `rowHeight`: pixels; `scrolled` may be negative where the list begins below the edge. */
export const rowWindow = (scrolled: number, height: number, rowHeight: number, count: number): RowWindow => {
  const first = Math.floor(scrolled / rowHeight) - AROUND;
  const last = Math.ceil((scrolled + height) / rowHeight) + AROUND;
  const from = Math.min(Math.max(first, 0), count);
  return { from, to: Math.min(Math.max(last, from), count) };
};
