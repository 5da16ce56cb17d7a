// A heatmap of how long something took: time to the right, buckets of twice the length upwards, the darker the more (in
// the dark, the lighter). One hue, so that it can be read without telling colours apart.

import { colour } from "./charts.js";
import { duration } from "./format.js";
import { store } from "./store.js";

/** As in `agent_ebpf::histogram`: bucket 0 is below 1,024 ns, each other twice as long, the last without a bound. */
const BUCKETS = 24;
const MIN_LOG2 = 10;

/** Buckets shown at least: up to four milliseconds. */
const FEWEST = 13;
/** Ticks are put together until they are so wide, in pixels of the screen. */
const NARROWEST = 2;
const SHADES = 24;
/** In pixels. */
const LABEL_HEIGHT = 26;

const kept = new WeakMap();

export const series = { paths: () => null, points: { show: false } };

/** As many bounds as there is room for. */
export const axis = {
  splits: (chart, axis, min, max) => {
    const every = Math.ceil((max * LABEL_HEIGHT) / Math.max(chart.height, 1));
    return Array.from({ length: Math.floor(max / every) + 1 }, (_, at) => at * every);
  },
  values: (_, splits) => splits.map((at) => (at === 0 ? "0" : duration(lowest(at)))),
};

/** The buckets of each of a chart's ticks, `[bucket, count, bucket, count…]` or null. */
export function keep(chart, buckets) {
  kept.set(chart, buckets);
}

export function range(chart) {
  let top = FEWEST;
  for (const buckets of kept.get(chart) ?? []) if (buckets?.length) top = Math.max(top, buckets.at(-2) + 1);
  return [0, top];
}

export function total(buckets) {
  let sum = 0;
  for (let at = 1; at < buckets.length; at += 2) sum += buckets[at];
  return sum;
}

/** What a tick tells, and of the bucket under the pointer how many fell into it. */
export function words(chart, at, [one, many]) {
  const buckets = kept.get(chart)?.[at];
  if (!buckets) return "–";
  const all = total(buckets);
  const list = all ? [`p50 < ${upTo(quantile(buckets, all, 0.5))}`, `p99 < ${upTo(quantile(buckets, all, 0.99))}`] : [];
  list.push(`${all.toLocaleString("en")} ${all === 1 ? one : many}`);
  const { top } = chart.cursor;
  if (chart.cursor.event && top >= 0) {
    const bucket = Math.floor(chart.posToVal(top, "y"));
    const from = bucket === 0 ? "0" : duration(lowest(bucket));
    list.push(`${from} – ${upTo(bucket)}: ${countIn(buckets, bucket).toLocaleString("en")}`);
  }
  return list.join(" · ");
}

/** Paints the cells over the grid of the chart. */
export function draw(chart) {
  const [times, all] = [chart.data[0], kept.get(chart) ?? []];
  const { ctx, bbox } = chart;
  const shades = palette();
  const columns = columnsOf(chart, times, all);
  let most = 0;
  for (const { counts } of columns) for (const count of counts) if (count > most) most = count;
  const edges = Array.from({ length: BUCKETS + 1 }, (_, at) => Math.round(chart.valToPos(at, "y", true)));
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const { from, to, counts } of columns) {
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      if (!counts[bucket]) continue;
      const share = Math.log1p(counts[bucket]) / Math.log1p(most);
      ctx.fillStyle = shades[Math.min(SHADES - 1, Math.floor(share * SHADES))];
      ctx.fillRect(from, edges[bucket + 1], to - from, edges[bucket] - edges[bucket + 1]);
    }
  }
  ctx.restore();
}

/** Ticks side by side, each from the end of that before it; narrow ones added up. */
function columnsOf(chart, times, all) {
  const interval = store.server.interval_ms / 1000;
  const place = (time) => Math.round(chart.valToPos(time, "x", true));
  const columns = [];
  let open = null;
  times.forEach((time, at) => {
    if (!all[at]?.length) return;
    const [from, to] = [place(time - interval), place(time)];
    if (!open || to - open.from > NARROWEST * devicePixelRatio) {
      open = { from: Math.max(from, columns.at(-1)?.to ?? from), to, counts: new Float64Array(BUCKETS) };
      columns.push(open);
    }
    open.to = Math.max(to, open.from + 1);
    for (let place = 0; place < all[at].length; place += 2) open.counts[all[at][place]] += all[at][place + 1];
  });
  return columns;
}

function quantile(buckets, all, share) {
  let sum = 0;
  for (let at = 0; at < buckets.length; at += 2) {
    sum += buckets[at + 1];
    if (sum >= all * share) return buckets[at];
  }
  return BUCKETS - 1;
}

function countIn(buckets, bucket) {
  for (let at = 0; at < buckets.length; at += 2) if (buckets[at] === bucket) return buckets[at + 1];
  return 0;
}

/** The bounds of a bucket, in nanoseconds. */
const lowest = (bucket) => 2 ** (MIN_LOG2 + bucket - 1);
const upTo = (bucket) => (bucket + 1 < BUCKETS ? duration(lowest(bucket + 1)) : "∞");

/** Shades between the colours of `--heat`, made anew when those change. */
const palette = (() => {
  let made = { of: "", shades: [] };
  return () => {
    const of = colour("--heat");
    if (made.of !== of) {
      const stops = of.split(/\s+/).map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
      const shade = (_, at) => {
        const place = (at / (SHADES - 1)) * (stops.length - 1);
        const below = Math.min(Math.floor(place), stops.length - 2);
        const mixed = stops[below].map((from, part) => Math.round(from + (place - below) * (stops[below + 1][part] - from)));
        return `rgb(${mixed.join(" ")})`;
      };
      made = { of, shades: Array.from({ length: SHADES }, shade) };
    }
    return made.shades;
  };
})();
