// The charts of the whole host or of one container, and the values beside their titles.

import { fill, forgetColours, newChart } from "./charts.js";
import * as format from "./format.js";
import * as heatmap from "./heatmap.js";

const BINARY = Array.from({ length: 44 }, (_, at) => 2 ** at);

const PANELS = [
  {
    title: "CPU",
    atLeast: 0.1,
    axis: (value) => String(+value.toFixed(3)),
    format: format.cpus,
    limit: "cpu_limit",
    lines: [
      { column: "cpu", name: "used", colour: "--cpu", fill: "2a" },
      { column: "throttled", name: "throttled", colour: "--bad", stepped: true, ofLimit: true, title: "Seconds its tasks were held back by its limit, per second; read every few seconds" },
      { column: "cpu_limit", name: "limit", colour: "--soft", dashed: true },
    ],
  },
  {
    title: "Memory",
    atLeast: 2 ** 20,
    axis: format.onAxis(format.bytes),
    steps: BINARY,
    format: format.bytes,
    limit: "memory_limit",
    lines: [
      { column: "memory", name: "in use", colour: "--second" },
      { column: "working_set", name: "working set", colour: "--cpu", fill: "2a", title: "In use without page cache that was not used lately; read every few seconds" },
      { column: "memory_limit", name: "limit", colour: "--soft", dashed: true },
    ],
  },
  { title: "Run-queue wait", heat: "waits", unit: ["wait", "waits"] },
  { title: "Block I/O latency", heat: "blocks", unit: ["request", "requests"] },
  {
    title: "Network",
    hint: "received upwards, sent downwards",
    atLeast: 1000,
    axis: format.onAxis(format.rate),
    format: format.rate,
    stack: true,
    lines: [
      { column: "outside_in", name: "outside", colour: "--cpu", fill: "" },
      { column: "host_in", name: "host", colour: "--second", fill: "" },
      { column: "loopback_in", name: "loopback", colour: "--third", fill: "" },
      { column: "outside_out", down: true, colour: "--cpu", fill: "" },
      { column: "host_out", down: true, colour: "--second", fill: "" },
      { column: "loopback_out", down: true, colour: "--third", fill: "" },
    ],
  },
  {
    title: "Disk",
    hint: "read upwards, written downwards",
    atLeast: 1000,
    axis: format.onAxis(format.rate),
    format: format.rate,
    stack: true,
    lines: [
      { column: "read", name: "read", colour: "--cpu", fill: "2a" },
      { column: "written", name: "written", colour: "--second", fill: "2a", down: true },
    ],
  },
];

/** The panels on the page: made when their data comes, and anew for other colours. */
const shown = PANELS.map((panel) => ({ panel, figure: null, chart: null, values: [] }));

/** Calls `zoom` with a span that was chosen in a chart, or null. */
export function drawPanels(track, zoom) {
  for (const it of shown) {
    const columns = it.panel.heat ? [it.panel.heat] : it.panel.lines.filter((line) => line.column !== it.panel.limit).map((line) => line.column);
    // The first stands empty until there is something.
    const isKnown = it.panel === PANELS[0] || columns.some((name) => track.has(name));
    it.figure ??= isKnown ? newFigure(it) : null;
    if (!it.figure) continue;
    it.figure.hidden = !isKnown;
    if (!isKnown) continue;
    it.chart ??= newChart(it.figure.lastElementChild, it.panel, (...told) => tell(it, ...told), zoom);
    it.chart.cgroup = track.who.cgroup;
    fill(it.chart, it.panel, track);
  }
}

/** Charts of the colours and sizes that now hold. */
export function renewPanels() {
  forgetColours();
  for (const it of shown) {
    it.chart?.destroy();
    it.chart = null;
  }
}

export function resizePanels() {
  for (const { chart, figure } of shown) {
    if (!chart || figure.hidden) continue;
    const { clientWidth: width, clientHeight: height } = figure.lastElementChild;
    if (width && (width !== chart.width || height !== chart.height)) chart.setSize({ width, height });
  }
}

function newFigure(it) {
  const figure = document.getElementById("panel").content.firstElementChild.cloneNode(true);
  const { title, hint, heat, lines } = it.panel;
  figure.dataset.panel = title;
  const caption = figure.firstElementChild;
  caption.firstElementChild.textContent = title;
  if (hint) caption.title = hint;
  figure.lastElementChild.setAttribute("aria-label", `${title} over time`);
  const values = caption.lastElementChild;
  it.values = (heat ? [{}] : lines).map((line) => {
    if (line.down && !line.name) return null;
    const value = document.createElement("span");
    if (line.name) {
      const swatch = document.createElement("i");
      swatch.style.background = `var(${line.colour})`;
      value.append(swatch, `${line.name} `);
      value.title = line.title ?? "";
    }
    value.append(document.createElement("b"));
    values.append(value);
    return value;
  });
  // In the order of the panels, whichever data came first.
  const later = shown.slice(shown.indexOf(it) + 1).find((other) => other.figure);
  document.getElementById("charts").insertBefore(figure, later?.figure ?? null);
  return figure;
}

/** Tells the values at a place in a chart's data; of what is told now and then the next one, which is of the time before. */
function tell({ panel, values }, chart, at, time) {
  set(document.getElementById("pointed").parentElement, time === null ? "" : format.days(time));
  if (panel.heat) {
    set(values[0], heatmap.words(chart, at, panel.unit));
    return;
  }
  const known = chart.known ?? [];
  const value = (which) => {
    const column = known[which] ?? [];
    if (!panel.lines[which].stepped) return column[at] ?? null;
    return column.slice(at).find(format.known) ?? column.slice(0, at).findLast(format.known) ?? null;
  };
  panel.lines.forEach((line, which) => {
    if (!values[which]) return;
    const back = panel.lines.findIndex((other, at) => at > which && other.down && !other.name && other.colour === line.colour);
    const now = value(which);
    values[which].hidden = now === null && which > 0;
    set(values[which], back < 0 ? panel.format(now) : `${panel.format(now)} ↓ ${panel.format(value(back))} ↑`);
  });
}

function set(value, text) {
  const element = value.lastElementChild;
  if (element.textContent !== text) element.textContent = text;
}
