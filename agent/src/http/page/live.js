// The live page: one event stream in, a table and two charts out.
//
// Names, images and labels are hostile: they are only ever set as text. Hidden pages are disconnected and told what
// they missed when they come back.

const SPARK_POINTS = 60;
const ENDED_SHOWN_MS = 60_000;
/** A page that hears nothing for so many intervals says so. */
const STALE_INTERVALS = 5;
const RETRY_MS = 5_000;
/** How old what is told of the chosen entry may get. */
const FACTS_MS = 5_000;

const byId = (id) => document.getElementById(id);
const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const minutes = new Intl.DateTimeFormat(undefined, clock);
const seconds = new Intl.DateTimeFormat(undefined, { ...clock, second: "2-digit" });

/** cgroup id → { who, cpu: [], wait: [], endedAt, parts } */
const entries = new Map();
const host = series();
/** What the charts show: the host, or { cgroup, ...series } of the chosen entry. */
let shown = host;
let sort = { by: "cpu", descending: true };
/** What `hello` says; `ticks` is how many the agent keeps, and the charts show. */
let server = { cpus: 1, interval_ms: 1000, ticks: 600 };
let lastTick = 0;
/** What the last tick said of the host as a whole. */
let wholeHost = {};

function series() {
  return { t: [], cpu: [], wait: [] };
}

function keep(list, value, limit) {
  list.push(value);
  if (list.length > limit) list.shift();
}

// --- the stream ---

let source = null;
let lastId = "";
let staleTimer = 0;
let retryTimer = 0;

function connect() {
  disconnect();
  setState("connecting");
  source = new EventSource("api/v1/live" + (lastId ? `?since=${lastId}` : ""));
  source.addEventListener("hello", (event) => hello(JSON.parse(event.data)));
  source.addEventListener("tick", (event) => {
    lastId = event.lastEventId;
    tick(JSON.parse(event.data));
    setState("live");
    clearTimeout(staleTimer);
    staleTimer = setTimeout(() => setState("stale", "no data from the collector"), STALE_INTERVALS * server.interval_ms);
  });
  source.onerror = () => {
    clearTimeout(staleTimer);
    // The browser comes back by itself unless the server refused: it may have too many watchers.
    const refused = source.readyState === EventSource.CLOSED;
    setState("lost", `${refused ? "refused" : "connection lost"}, trying again`);
    if (refused) retryTimer = setTimeout(connect, RETRY_MS);
  };
}

function disconnect() {
  clearTimeout(staleTimer);
  clearTimeout(retryTimer);
  source?.close();
}

function setState(state, text = state) {
  const element = byId("state");
  if (element.textContent !== text) element.textContent = text;
  element.dataset.state = state;
}

function hello(about) {
  server = about;
  byId("host").textContent = about.host;
  byId("version").textContent = about.version;
  document.title = `${about.host} · cgflux`;
}

function tick({ t, new: introduced, v, r, machine, agent }) {
  if (t <= lastTick) startAnew();
  lastTick = t;
  for (const who of introduced) {
    const entry = entries.get(who.cgroup) ?? { cpu: [], wait: [], ...unknown };
    entries.set(who.cgroup, { ...entry, who, endedAt: 0, renamed: true });
  }
  // Null as long as no entry has a value: nothing known is not nothing used.
  let cpuTotal = null;
  let waitTotal = null;
  const here = new Set();
  for (const [cgroup, cpu, wait] of v) {
    const entry = entries.get(cgroup);
    here.add(cgroup);
    entry.endedAt = 0;
    keep(entry.cpu, cpu, SPARK_POINTS);
    keep(entry.wait, wait, SPARK_POINTS);
    if (cpu !== null) cpuTotal += cpu;
    if (wait !== null) waitTotal += wait;
    if (shown.cgroup === cgroup && t > (shown.t.at(-1) ?? 0) * 1000) point(shown, t, cpu, wait);
  }
  for (const [cgroup, entry] of entries) {
    if (here.has(cgroup)) continue;
    entry.endedAt ||= t;
    if (t - entry.endedAt > ENDED_SHOWN_MS && shown.cgroup !== cgroup) forget(cgroup, entry);
  }
  for (const [cgroup, ...now] of r ?? []) takeResources(entries.get(cgroup), t, now);
  point(host, t, cpuTotal, waitTotal);
  if (machine) wholeHost = machine;
  if (agent) ownCost.take(t, agent);
  if (agent && t - happened.askedAt >= FACTS_MS) {
    tellHappened();
    tellSinks();
  }
  if (here.has(shown.cgroup) && t - factsAt >= FACTS_MS) tellFacts();
  schedule();
}

const unknown = { memory: null, disk: null, network: null, totals: null };

/** Memory in use is told as it is, disks and network as totals, of which the growth since the tick before is shown. */
function takeResources(entry, t, [memory, disk, network]) {
  if (!entry) return;
  const before = entry.totals;
  const rate = (now, then) => (now === null || then === null ? null : (1000 * (now - then)) / (t - before.t));
  entry.memory = memory;
  entry.disk = before && rate(disk, before.disk);
  entry.network = before && rate(network, before.network);
  entry.totals = { t, disk, network };
}

function point(series, t, cpu, wait) {
  keep(series.t, t / 1000, server.ticks);
  keep(series.cpu, cpu, server.ticks);
  keep(series.wait, wait === null ? null : wait * 1000, server.ticks);
}

function forget(cgroup, entry) {
  entry.parts?.row.remove();
  entries.delete(cgroup);
  if (shown.cgroup === cgroup) choose(null);
}

/** The agent's clock was set back: what is drawn would no longer be in order. */
function startAnew() {
  for (const [cgroup, entry] of entries) forget(cgroup, entry);
  Object.assign(host, series());
  Object.assign(happened, { list: [], askedAt: 0 });
  ownCost.forget();
  choose(null);
}

// --- drawing, at most once a frame ---

let scheduled = false;

function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    drawTotals();
    drawTable();
    drawCharts();
    ownCost.draw();
  });
}

function drawTotals() {
  const cpu = host.cpu.at(-1) ?? null;
  let containers = 0;
  for (const { who, endedAt } of entries.values()) if (who.kind === "container" && !endedAt) containers += 1;
  byId("total-cpu").textContent = cpu === null ? "–" : cpu.toFixed(2);
  byId("total-cpus").textContent = `of ${server.cpus}` + (cpu === null ? "" : ` · ${((100 * cpu) / server.cpus).toFixed(0)} %`);
  byId("total-wait").textContent = milliseconds(host.wait.at(-1));
  byId("total-containers").textContent = containers;
  drawWholeHost(wholeHost);
}

/** What is not measured is not shown. */
function drawWholeHost({ mem: { total_bytes, available_bytes } = {}, load: { load1 } = {} }) {
  const used = total_bytes - available_bytes;
  byId("memory").hidden = Number.isNaN(used);
  byId("load").hidden = load1 === undefined;
  const gib = (bytes) => (bytes / 2 ** 30).toFixed(1);
  const [memory, share] = byId("memory").lastElementChild.children;
  memory.textContent = gib(used);
  share.textContent = `of ${gib(total_bytes)} GiB · ${((100 * used) / total_bytes).toFixed(0)} %`;
  byId("load").querySelector("b").textContent = load1?.toFixed(2);
}

function drawTable() {
  const form = byId("shown");
  const visible = { container: true, cgroup: form.cgroup.checked, unit: form.unit.checked, host: form.unit.checked };
  // A cgroup that only holds others, such as the parent of all containers, has no tasks to tell of.
  const idle = (entry) => entry.who.kind === "cgroup" && entry.who.cgroup !== shown.cgroup && !entry.cpu.some((cpu) => cpu > 0);
  const list = [...entries.values()].filter((entry) => visible[entry.who.kind] && !idle(entry));
  byId("empty").hidden = [...entries.values()].some((entry) => entry.who.kind === "container");
  byId("table").hidden = list.length === 0;
  // By the mean of the last minute, so that rows do not jump with every tick; what has ended stands last.
  const rank = { name: (entry) => entry.who.name, cpu: (entry) => mean(entry.cpu), wait: (entry) => mean(entry.wait) }[sort.by] ?? ((entry) => entry[sort.by] ?? -1);
  const ranked = list.map((entry) => [rank(entry), entry]);
  const order = sort.descending ? -1 : 1;
  const ended = (entry) => entry.endedAt > 0;
  ranked.sort(([a, x], [b, y]) => ended(x) - ended(y) || order * compare(a, b) || compare(x.who.name, y.who.name));

  const body = byId("rows");
  const focused = document.activeElement;
  let next = body.firstElementChild;
  for (const [, entry] of ranked) {
    entry.parts ??= newRow(entry.who.cgroup);
    drawRow(entry);
    if (entry.parts.row === next) next = next.nextElementSibling;
    else body.insertBefore(entry.parts.row, next);
  }
  while (next) {
    const row = next;
    next = next.nextElementSibling;
    row.remove();
  }
  if (focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
}

function newRow(cgroup) {
  const row = byId("row").content.firstElementChild.cloneNode(true);
  const part = (selector) => row.querySelector(selector);
  row.addEventListener("click", () => choose(cgroup));
  return { row, name: part(".name"), runtime: part(".runtime"), image: part(".image"), cpu: part(".cpu"), percent: part(".percent"), wait: part(".wait"), memory: part(".memory"), disk: part(".disk"), network: part(".network"), spark: row.querySelectorAll("path") };
}

function drawRow(entry) {
  const { who, parts, endedAt } = entry;
  const chosen = shown.cgroup === who.cgroup;
  if (entry.renamed) {
    entry.renamed = false;
    parts.name.textContent = who.name;
    parts.name.title = who.name;
    parts.runtime.textContent = who.runtime;
    parts.image.textContent = who.image ?? "";
    parts.image.title = who.image ?? "";
  }
  const cpu = entry.cpu.at(-1);
  parts.cpu.textContent = endedAt ? "ended" : cpus(cpu);
  parts.percent.textContent = endedAt || cpu === null ? "" : (100 * cpu).toFixed(1);
  parts.wait.textContent = endedAt ? "" : milliseconds(scaled(entry.wait.at(-1)));
  parts.memory.textContent = endedAt ? "" : scaledDown(entry.memory, 2 ** 20);
  parts.disk.textContent = endedAt ? "" : scaledDown(entry.disk, 1000);
  parts.network.textContent = endedAt ? "" : scaledDown(entry.network, 1000);
  drawSparkline(parts.spark, entry.cpu);
  parts.row.classList.toggle("ended", endedAt > 0);
  parts.row.classList.toggle("chosen", chosen);
  parts.name.setAttribute("aria-pressed", chosen);
}

/** Draws the last minute, newest at the right; less than a fiftieth of a CPU stays flat. */
function drawSparkline([area, line], values) {
  const top = Math.max(0.02, ...values);
  const left = SPARK_POINTS - values.length;
  const points = values.map((value, at) => `${left + at} ${(19 - (18 * (value ?? 0)) / top).toFixed(1)}`).join("L");
  line.setAttribute("d", `M${points}`);
  area.setAttribute("d", `M${left} 20L${points}V20Z`);
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const mean = (values) => values.reduce((sum, value) => sum + (value ?? 0), 0) / values.length;
const scaled = (wait) => (wait === null || wait === undefined ? null : wait * 1000);
const cpus = (value) => (value === null || value === undefined ? "–" : value.toFixed(value < 10 ? 3 : 2));
const scaledDown = (value, unit) => (value === null ? "–" : (value / unit).toFixed(value < 10 * unit && value > 0 ? 1 : 0));
const milliseconds = (value) => (value === null || value === undefined ? "–" : value.toFixed(value < 100 ? 1 : 0));

// --- the charts and the chosen entry ---

const charts = { cpu: null, wait: null };

function drawCharts() {
  charts.cpu ??= newChart("cpu", cpus, 0.1);
  charts.wait ??= newChart("wait", milliseconds, 1);
  charts.cpu.setData([shown.t, shown.cpu]);
  charts.wait.setData([shown.t, shown.wait]);
}

/** `atLeast` is what the full height shows when there is next to nothing. */
function newChart(key, format, atLeast) {
  const place = byId(`${key}-chart`);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const times = (_, splits, axis, space, step) => splits.map((time) => (step < 60 ? seconds : minutes).format(time * 1000));
  const value = (chart) => {
    const at = chart.cursor.idx ?? chart.data[0].length - 1;
    byId(`${key}-value`).textContent = format(chart.data[1][at]);
  };
  return new uPlot(
    {
      width: place.clientWidth,
      height: place.clientHeight,
      padding: [8, 28, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: "time" }, drag: { x: false, y: false }, y: false },
      scales: {
        x: { range: (_, from, to) => [Math.min(from, to - 60), to] },
        y: { range: (_, from, to) => [0, Math.max(to * 1.1, atLeast)] },
      },
      axes: [
        { ...axis, size: 26, space: 55, values: times },
        { ...axis, size: 48, space: 28 },
      ],
      series: [{}, { stroke: colour(`--${key}`), fill: colour(`--${key}`).trim() + "22", width: 1.5, points: { show: false } }],
      hooks: { setCursor: [value], setData: [value], draw: [drawHappened] },
    },
    [[], []],
    place,
  );
}

function renewCharts() {
  for (const key of ["cpu", "wait"]) {
    charts[key]?.destroy();
    charts[key] = null;
  }
  schedule();
}

/** Shows an entry in the charts, or the host. */
async function choose(cgroup) {
  const who = entries.get(cgroup)?.who;
  shown = who ? { cgroup, ...series() } : host;
  byId("detail-name").textContent = who ? who.name : "Whole host";
  byId("deselect").hidden = !who;
  byId("facts").textContent = "";
  schedule();
  if (!who) return;
  byId("detail").scrollIntoView({ block: "nearest" });
  const chosen = shown;
  const details = await tellFacts();
  if (!details) return;
  const { taken, usage_cpus, runq_waiting } = details.history;
  const late = chosen.t.length;
  const past = series();
  taken.forEach((ns, at) => {
    if (late === 0 || ns / 1e9 < chosen.t[0]) point(past, ns / 1e6, usage_cpus[at], runq_waiting[at]);
  });
  for (const key of ["t", "cpu", "wait"]) chosen[key] = past[key].concat(chosen[key]).slice(-server.ticks);
  schedule();
}

/** What happened, as `/api/v1/events` tells it, oldest first, and when it was asked for last. */
const happened = { list: [], askedAt: 0 };

/** As many as the agent keeps. */
const HAPPENED_KEPT = 1024;

async function tellHappened() {
  happened.askedAt = lastTick;
  // A whole nanosecond is more than a number holds, but ticks are far apart.
  const since = Math.ceil((happened.list.at(-1)?.taken ?? 0) / 1e6);
  const response = await fetch(`api/v1/events?since=${since}000000`).catch(() => null);
  const told = response?.ok ? await response.json().catch(() => null) : null;
  if (!told?.events.length) return;
  happened.list = happened.list.concat(told.events).slice(-HAPPENED_KEPT);
  schedule();
}

/** A tick at the foot of the chart for each event of what it shows: of the host all containers'. A kill stands out. */
function drawHappened(chart) {
  const { ctx, bbox } = chart;
  const { min, max } = chart.scales.x;
  const style = getComputedStyle(document.documentElement);
  let marks = 0;
  for (const { taken, event, cgroup, kind } of happened.list) {
    const at = taken / 1e9;
    const isShown = shown === host ? kind === "container" : cgroup === shown.cgroup;
    if (!isShown || at < min || at > max) continue;
    const height = devicePixelRatio * (event === "oom" ? 14 : 6);
    ctx.fillStyle = style.getPropertyValue(event === "oom" ? "--bad" : "--soft");
    ctx.fillRect(chart.valToPos(at, "x", true), bbox.top + bbox.height - height, devicePixelRatio * 1.5, height);
    marks += 1;
  }
  chart.root.parentElement.dataset.marks = marks;
}

let factsAt = 0;

/** Tells what the API knows of the chosen entry, and returns it; null where another was chosen meanwhile. */
async function tellFacts() {
  factsAt = lastTick;
  const chosen = shown;
  const response = await fetch(`api/v1/containers/${chosen.cgroup}`).catch(() => null);
  const details = response?.ok ? await response.json().catch(() => null) : null;
  if (!details || shown !== chosen) return null;
  byId("facts").textContent = facts(details).join(" · ");
  return details;
}

function facts({ runtime, image, short_id, namespace, pod, path, cpu }) {
  const list = [runtime, image, short_id, namespace && `namespace ${namespace}`, pod && `pod ${pod}`];
  if (cpu?.usage_ns !== undefined) list.push(`${(cpu.usage_ns / 1e9).toFixed(1)} s of CPU so far`);
  if (cpu?.quota_us !== undefined) list.push(`limit ${+(cpu.quota_us / cpu.period_us).toFixed(2)} CPUs`);
  if (cpu?.throttled_ns) list.push(`throttled ${(cpu.throttled_ns / 1e9).toFixed(1)} s`);
  list.push(path);
  return list.filter(Boolean);
}

// --- our own cost ---

/** No loss of CPU time: of turns whose beginning was not seen, only the wait before them is not counted. */
const MINOR_LOSSES = ["unseen_switch_ins"];

const ownCost = {
  /** CPU time at the last ten ticks, for the rate. */
  past: [],
  latest: {},

  take(t, { agent_self: latest }) {
    this.latest = latest ?? {};
    const { cpu_ns } = this.latest;
    if (cpu_ns === undefined) return;
    // The agent was started anew.
    if (cpu_ns < this.past.at(-1)?.cpu_ns) this.forget();
    keep(this.past, { t, cpu_ns }, 10);
  },

  forget() {
    this.past = [];
  },

  /** Percent of one CPU over the ticks at hand. */
  share() {
    const [first, last] = [this.past[0], this.past.at(-1)];
    if (first === last) return "–";
    return `${((last.cpu_ns - first.cpu_ns) / (last.t - first.t) / 1e4).toFixed(2)} %`;
  },

  draw() {
    const { programs_cpus, rss_bytes, losses, family_state, points_dropped, ticks_skipped } = this.latest;
    byId("own-cpu").textContent = this.share();
    // Not measured yet, or there are none.
    byId("own-programs").hidden = programs_cpus === undefined;
    byId("own-programs").lastElementChild.textContent = `${(100 * (programs_cpus ?? 0)).toFixed(2)} %`;
    byId("own-rss").textContent = rss_bytes === undefined ? "–" : `${(rss_bytes / 2 ** 20).toFixed(1)} MiB`;
    const shed = (family_state ?? []).filter(({ labels }) => labels.state === "shed");
    byId("own-shed").hidden = shed.length === 0;
    byId("own-shed").lastElementChild.textContent = shed.map(({ labels }) => labels.family.replaceAll("_", " ")).join(", ");
    const reasons = counts(losses, "reason");
    const isMinor = ([reason]) => MINOR_LOSSES.includes(reason);
    const words = ([reason, count]) => `${count} ${reason.replaceAll("_", " ")}`;
    const major = reasons.filter((it) => !isMinor(it));
    const minor = reasons.filter(isMinor).concat(ticks_skipped ? [["ticks_skipped", ticks_skipped]] : []);
    const dropped = counts(points_dropped, "sink");
    const total = major.concat(dropped).reduce((sum, [, count]) => sum + count, 0);
    const element = byId("own-losses");
    element.textContent = losses === undefined ? "–" : total || "none";
    element.title = [
      ...major.map(words),
      ...dropped.map(([sink, count]) => `${count} points dropped by ${sink}`),
      ...minor.map((it) => `${words(it)} (no CPU time lost)`),
    ].join("\n");
    element.classList.toggle("bad", total > 0);
  },
};

// --- where points go ---

async function tellSinks() {
  const response = await fetch("api/v1/status").catch(() => null);
  const status = response?.ok ? await response.json().catch(() => null) : null;
  if (status) byId("sinks").replaceChildren(...status.sinks.map((sink) => sinkLine(sink, status.taken)));
}

/** What a server said of itself is hostile, too. */
function sinkLine({ name, state, failing, points_lost, waiting, last_ack }, now) {
  const ago = (ns) => `${Math.max(0, (now - ns) / 1e9).toFixed(0)} s ago`;
  const lost = Object.entries(points_lost);
  const words = [
    failing ? `failing since ${seconds.format(failing.since / 1e6)}: ${failing.reason}` : state,
    `${waiting.points} points waiting` + (waiting.oldest && state !== "ok" ? `, the oldest of ${ago(waiting.oldest)}` : ""),
    lost.length ? `lost: ${lost.map(([reason, count]) => `${count} ${reason}`).join(", ")}` : "none lost",
    last_ack ? `last acknowledged ${ago(last_ack)}` : "nothing acknowledged yet",
  ];
  const line = document.createElement("li");
  const title = document.createElement("b");
  title.textContent = name;
  line.append(title, ` ${words.join(" · ")}`);
  line.classList.toggle("bad", state === "failing" || lost.length > 0);
  return line;
}

/** What was counted under each value of a label, as [value, count]; nothing that is zero. */
function counts(samples, label) {
  return (samples ?? []).filter(({ value }) => value > 0).map(({ labels, value }) => [labels[label], value]);
}

// --- what the person does ---

byId("deselect").addEventListener("click", () => choose(null));
byId("shown").addEventListener("change", schedule);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") choose(null);
});
for (const header of document.querySelectorAll("th[data-sort]")) {
  header.firstElementChild.addEventListener("click", () => {
    const by = header.dataset.sort;
    sort = { by, descending: sort.by === by ? !sort.descending : by !== "name" };
    for (const other of document.querySelectorAll("th[data-sort]")) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", sort.descending ? "descending" : "ascending");
    schedule();
  });
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    disconnect();
    setState("paused");
  } else {
    connect();
  }
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", renewCharts);
new ResizeObserver(() => {
  for (const key of ["cpu", "wait"]) {
    const { clientWidth: width, clientHeight: height } = byId(`${key}-chart`);
    charts[key]?.setSize({ width, height });
  }
}).observe(byId("cpu-chart"));

connect();
