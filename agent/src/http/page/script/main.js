// The live page: the agent's stream or a recording in; totals, a table and charts out.
//
// Names, images and labels are hostile: they are only ever set as text.

import * as bar from "./bar.js";
import * as entry from "./entry.js";
import * as events from "./events.js";
import * as keys from "./keys.js";
import { readLink, view, writeLink } from "./link.js";
import { drawOwn, tellSinks } from "./own.js";
import { drawPanels, renewPanels, resizePanels } from "./panels.js";
import * as recording from "./recording.js";
import { store } from "./store.js";
import * as stream from "./stream.js";
import { drawTable, focusRow, initTable, shownTracks } from "./table.js";
import { shownTick } from "./time.js";
import { drawTotals } from "./totals.js";

/** How old what happened and how the sinks stand may get. */
const ASK_EVERY_S = 5;

const byId = (id) => document.getElementById(id);

/** The track that is looked at; null is the host, or one that is not here. */
let chosen = null;
let isRecording = false;
/** Ends the reading of the recording that was opened last. */
let reading = new AbortController();
let askedAt = 0;

// --- what comes in ---

const listener = {
  hello(about) {
    store.hello(about);
    Object.assign(store, { limit: about.ticks, room: Infinity });
    tellServer();
  },
  tick(tick) {
    if (!store.take(tick)) {
      // The agent's clock was set back: what was drawn would no longer be in order.
      events.forget(false);
      chosen = null;
      askedAt = 0;
    }
    if (view.container && !chosen) look();
    if (tick.agent && store.times.at(-1) - askedAt >= ASK_EVERY_S) {
      askedAt = store.times.at(-1);
      events.ask().then((any) => any && schedule());
      tellSinks();
    }
    if (shownTick() !== drawnTick) schedule();
    else bar.drawBar(false);
  },
  state(word, text = word) {
    setState(word === "live" && view.at !== null ? "paused" : word, word === "live" && view.at !== null ? "paused" : text);
  },
};

function tellServer() {
  const { host, version } = store.server;
  byId("host").textContent = host;
  byId("version").textContent = version;
  document.title = [view.container, host, "cgflux"].filter(Boolean).join(" · ");
}

function setState(word, text) {
  const element = byId("state");
  if (element.textContent !== text) element.textContent = text;
  element.dataset.state = word;
}

function goLive() {
  reading.abort();
  isRecording = false;
  chosen = null;
  store.reset();
  events.forget(false);
  byId("sinks").hidden = false;
  setState("connecting", "connecting");
  stream.start(listener);
}

async function openRecording(file) {
  reading.abort();
  reading = new AbortController();
  const { signal } = reading;
  stream.stop();
  isRecording = true;
  chosen = null;
  byId("sinks").hidden = true;
  const problem = await recording.read(file, signal, (share) => setState("recording", `reading ${file.name}: ${(100 * share).toFixed(0)} %`));
  if (signal.aborted) return;
  byId("problem").hidden = !problem;
  byId("problem").textContent = `${file.name}: ${problem}`;
  if (!store.times.length) {
    show(null);
    return;
  }
  setState("recording", `recording ${file.name}`);
  tellServer();
  Object.assign(view, { range: 0, zoom: null, at: store.times.at(-1) });
  look();
  changed();
}

// --- what is looked at ---

/** Finds the container that the link names, and asks for all that the agent kept of it. */
async function look() {
  chosen = view.container ? entry.find(view.container) : null;
  entry.introduce(chosen);
  tellServer();
  if (isRecording) return;
  stream.follow(chosen?.who.cgroup);
  if (!chosen) return;
  const track = chosen;
  const response = await fetch(`api/v1/containers/${track.who.cgroup}`).catch(() => null);
  const details = response?.ok ? await response.json().catch(() => null) : null;
  if (!details || chosen !== track) return;
  store.backfill(track, details.history);
  schedule();
}

/** Opens a container, or with null goes back to all. */
function choose(track) {
  const before = chosen;
  view.container = track ? track.who.name : "";
  look();
  changed(true);
  if (track) byId("detail-name").focus();
  else focusRow(before, 0);
  scrollTo({ top: 0 });
}

/** The next container of the table, in a direction. */
function chooseNext(step) {
  const tracks = shownTracks();
  const next = tracks[tracks.indexOf(chosen) + step];
  if (next) choose(next);
}

/** Shows a point in time; null is now. */
function show(at) {
  view.at = at;
  if (at === null && isRecording) goLive();
  if (at === null) bar.stopPlaying();
  changed();
  if (!isRecording) setState(at === null ? "live" : "paused", at === null ? "live" : "paused");
}

function pause() {
  show(view.at === null ? (store.times.at(-1) ?? null) : null);
}

function setRange(range) {
  Object.assign(view, { range, zoom: null });
  changed();
}

function zoom(to) {
  view.zoom = to;
  changed();
}

/** The view is another: the link and the controls say so. */
function changed(isStep = false) {
  writeLink(isStep);
  tellView();
  schedule();
}

function tellView() {
  for (const button of byId("ranges").children) button.setAttribute("aria-pressed", !view.zoom && Number(button.value) === view.range);
  byId("unzoom").hidden = view.zoom === null;
  byId("pause").setAttribute("aria-pressed", view.at !== null);
  byId("pause").hidden = isRecording;
  const form = byId("shown");
  if (form.filter.value !== view.filter) form.filter.value = view.filter;
  form.group.value = view.group;
  for (const kind of ["cgroup", "unit"]) form[kind].checked = view.show.includes(kind);
  for (const header of document.querySelectorAll("th[data-sort]")) {
    const order = { [header.dataset.sort]: "ascending", [`-${header.dataset.sort}`]: "descending" }[view.sort];
    if (order) header.setAttribute("aria-sort", order);
    else header.removeAttribute("aria-sort");
  }
}

// --- drawing, at most once a frame ---

let scheduled = false;
let drawnTick = null;

function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    const at = shownTick();
    drawnTick = at;
    drawTotals(at);
    drawOwn(at);
    bar.drawBar(isRecording);
    if (!view.container) drawTable();
    const isMissing = Boolean(view.container) && !chosen;
    byId("charts").hidden = isMissing;
    if (isMissing) return;
    drawPanels(chosen ?? store.host, zoom);
    entry.drawEntry(chosen);
  });
}

// --- what the person does ---

initTable(choose);
bar.initBar(show);
byId("deselect").addEventListener("click", () => choose(null));
byId("unzoom").addEventListener("click", () => zoom(null));
byId("pause").addEventListener("click", pause);
byId("live").addEventListener("click", () => show(null));
byId("help").addEventListener("click", keys.showHelp);
byId("open").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", () => {
  const [file] = byId("file").files;
  // The same one may be chosen again.
  byId("file").value = "";
  if (file) openRecording(file);
});
for (const button of byId("ranges").children) button.addEventListener("click", () => setRange(Number(button.value)));
byId("shown").addEventListener("input", () => {
  const form = byId("shown");
  view.filter = form.filter.value;
  view.group = form.group.value;
  view.show = ["cgroup", "unit"].filter((kind) => form[kind].checked).join("~");
  changed();
});
byId("shown").addEventListener("submit", (event) => event.preventDefault());
for (const header of document.querySelectorAll("th[data-sort]")) {
  header.firstElementChild.addEventListener("click", () => {
    const by = header.dataset.sort;
    const other = { [by]: `-${by}`, [`-${by}`]: by }[view.sort];
    view.sort = other ?? (by === "name" ? by : `-${by}`);
    changed();
  });
}

/** What was done first is undone first. */
function goBack() {
  if (view.zoom) zoom(null);
  else if (view.container) choose(null);
  else if (view.at !== null && !isRecording) show(null);
  else if (view.filter) Object.assign(view, { filter: "" }) && changed();
  return true;
}

function nextGroup() {
  const { options, selectedIndex } = byId("shown").group;
  view.group = options[(selectedIndex + 1) % options.length].value;
  changed();
}

const move = (step) => () => {
  if (view.container) chooseNext(step);
  else focusRow(null, step);
  return true;
};
const when = (condition, act) => () => (condition() ? (act(), true) : undefined);
const isPaused = () => view.at !== null;
const always = () => true;
keys.listen({
  "/": when(() => !view.container, () => byId("shown").filter.focus()),
  "?": when(always, keys.showHelp),
  Escape: goBack,
  j: move(1),
  k: move(-1),
  ArrowDown: move(1),
  ArrowUp: move(-1),
  ArrowLeft: when(isPaused, () => bar.step(-1)),
  ArrowRight: when(isPaused, () => bar.step(1)),
  " ": when(isPaused, bar.togglePlay),
  p: when(() => !isRecording, pause),
  g: when(() => !view.container, nextGroup),
  1: when(always, () => setRange(60)),
  2: when(always, () => setRange(300)),
  3: when(always, () => setRange(600)),
  4: when(always, () => setRange(0)),
});

addEventListener("popstate", () => {
  readLink();
  look();
  tellView();
  schedule();
});
// A recording may also be dropped on the page.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files[0]) openRecording(event.dataTransfer.files[0]);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  renewPanels();
  schedule();
});
new ResizeObserver(resizePanels).observe(byId("charts"));

readLink();
tellView();
entry.introduce(null);
stream.start(listener);
