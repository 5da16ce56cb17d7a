// Which point in time is shown, and which span the charts cover.

import { view } from "./link.js";
import { store } from "./store.js";

/** Charts cover at least so many seconds. */
const SHORTEST = 10;

/** The number of the tick that is shown: the newest, or that of the point in time that was chosen. */
export const shownTick = () => (view.at === null ? store.last : store.tickAt(view.at));

/** The times between which charts show what is known, in seconds. */
export function span() {
  if (view.zoom) return view.zoom;
  const [first, last] = [store.times[0] ?? 0, store.times.at(-1) ?? SHORTEST];
  if (view.range === 0) return [Math.min(first, last - SHORTEST), last];
  const to = view.at ?? last;
  return [to - view.range, to];
}

/** The numbers of the ticks that lie within the span, and one more to both sides. */
export function shownTicks() {
  const [from, to] = span();
  return [store.tickAt(from), Math.min(store.last, store.tickAt(to) + 1)];
}
