// One chart: lines, areas or a heatmap over time, with the cursor, the zoom and the marks that all of them share.

import * as heatmap from "./heatmap.js";
import * as format from "./format.js";
import { marks } from "./events.js";
import { view } from "./link.js";
import { store } from "./store.js";
import { shownTicks, span } from "./time.js";

/** A limit is in view up to so many times what is used. */
const LIMIT_IN_VIEW = 4;
/** Narrower than so many pixels a drag is a click. */
const NARROWEST_DRAG = 5;

/** Asking the style costs more than drawing. */
const colours = new Map();

export function colour(name) {
  if (!colours.has(name)) colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return colours.get(name);
}

/** For another theme. */
export function forgetColours() {
  colours.clear();
}

/**
 * A chart of a panel at a place. `tell(chart, at, time)` is called with the place of the values under the cursor and their
 * time, or of the last ones and null; `zoom(span)` with what was chosen, or null.
 */
export function newChart(place, panel, tell, zoom) {
  const told = (chart) => {
    const [times] = chart.data;
    // The place of before, where there is less now.
    const pointed = chart.cursor.idx < times.length ? chart.cursor.idx : null;
    tell(chart, pointed ?? times.length - 1, times[pointed] ?? null);
  };
  const chosen = (chart) => {
    const { left, width } = chart.select;
    if (width < NARROWEST_DRAG) return;
    chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    zoom([chart.posToVal(left, "x"), chart.posToVal(left + width, "x")]);
  };
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  return new uPlot(
    {
      width: place.clientWidth,
      height: place.clientHeight,
      padding: [6, 26, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: "time", setSeries: false, scales: ["x", null] },
        drag: { x: true, y: false, setScale: false },
        bind: { dblclick: () => () => zoom(null) },
        y: panel.heat !== undefined,
        points: { show: false },
      },
      scales: {
        x: { range: () => span() },
        y: { range: panel.heat ? heatmap.range : (chart, from, to) => panelRange(panel.atLeast, from, chart.ceiling ?? to) },
      },
      axes: [
        { ...axis, size: 22, space: 60, values: times },
        { ...axis, size: 58, space: 26, ...(panel.heat ? heatmap.axis : { values: (_, splits) => splits.map((value) => panel.axis(Math.abs(value))), incrs: panel.steps }) },
      ],
      series: [{}, ...(panel.heat ? [heatmap.series] : panel.lines.map(lineOf))],
      hooks: { setCursor: [told], setData: [told], setSelect: [chosen], drawAxes: panel.heat ? [heatmap.draw] : [], draw: [drawMarks] },
    },
    [[], ...(panel.heat ? [[]] : panel.lines.map(() => []))],
    place,
  );
}

/** Gives a chart what is known of a track. */
export function fill(chart, panel, track) {
  const [from, to] = shownTicks();
  if (panel.heat) {
    const [times, buckets] = store.slice(track, [panel.heat], from, to);
    heatmap.keep(chart, buckets);
    chart.setData([times, buckets.map((it) => it && heatmap.total(it))]);
    return;
  }
  const columns = panel.lines.map((line) => line.column);
  const [times, ...values] = store.slice(track, columns, from, to);
  // Nobody is held back where there is no limit.
  const isLimited = panel.limit && values[columns.indexOf(panel.limit)].some(format.known);
  panel.lines.forEach((line, which) => line.ofLimit && !isLimited && values[which].fill(null));
  chart.known = values;
  chart.ceiling = ceiling(panel, values);
  chart.setData([times, ...(panel.stack ? stacked(panel, values) : values)]);
}

/** Each column with those of the same direction that come after it; of what goes down, below zero. */
function stacked({ lines }, values) {
  const sums = values.map((column) => column.slice());
  for (let at = lines.length - 2; at >= 0; at -= 1) {
    if (lines[at].down !== lines[at + 1].down) continue;
    sums[at] = sums[at].map((value, tick) => (value === null && sums[at + 1][tick] === null ? null : (value ?? 0) + (sums[at + 1][tick] ?? 0)));
  }
  return sums.map((column, at) => (lines[at].down ? column.map((value) => value && -value) : column));
}

function lineOf({ colour: name, fill, stepped, dashed }) {
  const stroke = colour(name);
  return {
    stroke,
    width: 1.5,
    points: { show: false },
    fill: fill && stroke + fill,
    dash: dashed && [5, 4],
    spanGaps: Boolean(stepped),
    // A value that is told now and then is of the time up to it.
    paths: stepped && uPlot.paths.stepped({ align: -1 }),
  };
}

/** How high a chart must go where its limit lies far above all else, so that it is told rather than shown. */
function ceiling({ lines, limit }, values) {
  const highest = (column) => column.reduce((most, value) => Math.max(most, value ?? 0), 0);
  const at = lines.findIndex((line) => line.column === limit);
  if (at < 0) return undefined;
  const others = Math.max(...values.filter((_, which) => which !== at).map(highest));
  return highest(values[at]) > LIMIT_IN_VIEW * others ? others : undefined;
}

/** From zero, or as far below it as something goes. */
function panelRange(atLeast, from, to) {
  return [from < 0 ? Math.min(from * 1.1, -atLeast / 4) : 0, Math.max(to * 1.1, atLeast)];
}

function times(chart, splits, axis, space, step) {
  return splits.map((at) => (step < 60 ? format.seconds : format.minutes)(at));
}

/** What happened, as lines from top to bottom: starts and ends thin, kills thick. Also the point in time that is shown. */
function drawMarks(chart) {
  const { ctx, bbox } = chart;
  const { min, max } = chart.scales.x;
  const line = (time, name, width, height) => {
    ctx.fillStyle = colour(name);
    ctx.fillRect(Math.round(chart.valToPos(time, "x", true)), bbox.top + bbox.height - height, devicePixelRatio * width, height);
  };
  const shown = marks(chart.cgroup, min, max);
  let before = "";
  for (const { taken, event } of shown) {
    // A thousand starts at one time are one line.
    const place = `${event} ${Math.round(chart.valToPos(taken / 1e9, "x"))}`;
    if (place === before) continue;
    before = place;
    const height = chart.cgroup === 0 && event !== "oom" ? devicePixelRatio * 8 : bbox.height;
    line(taken / 1e9, { start: "--good", exit: "--soft", oom: "--bad" }[event] ?? "--soft", event === "oom" ? 2 : 1, height);
  }
  if (view.at !== null && view.at > min && view.at < max) line(view.at, "--text", 1, bbox.height);
  chart.root.parentElement.dataset.marks = shown.length;
}
