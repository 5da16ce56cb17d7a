// The table of entries: filtered, grouped, sorted. What is in view is drawn at once, the rest when there is time.

import { fits } from "./filter.js";
import * as format from "./format.js";
import { view } from "./link.js";
import { store } from "./store.js";
import { shownTick } from "./time.js";

const SPARK_POINTS = 60;
const ENDED_SHOWN_S = 60;
/** Rows out of view are drawn so many at a time. */
const TURN = 50;

/** What the cells of numbers show, and how. */
const NUMBERS = { cpu: format.cpus, wait: format.milliseconds, memory: format.bytes, disk: format.rate, net: format.rate };

const byId = (id) => document.getElementById(id);

/** cgroup id → the parts of its row; key of a group → those of its. */
const rows = new Map();
const groups = new Map();
/** Keys of the groups that show no rows. */
const closed = new Set();
const inView = new Set();
let open = () => {};

const watcher = new IntersectionObserver(
  (changes) => {
    for (const { target, isIntersecting } of changes) {
      if (!isIntersecting) inView.delete(target);
      else inView.add(target);
    }
    if (last) drawRows(last.items.filter(isInView));
  },
  { rootMargin: "200px" },
);

/** What was drawn last: the rows in their order, `{ track }` or `{ group, members }`, the tick, and which are yet to be drawn. */
let last = null;

/** Calls `toOpen` with the track of a row that is opened. */
export function initTable(toOpen) {
  open = toOpen;
}

export function drawTable() {
  const at = shownTick();
  const list = [...store.tracks.values()].filter((track) => isShown(track, at));
  const fitting = list.filter((track) => fits(track.who, view.filter));
  byId("empty").hidden = list.some((track) => track.who.kind === "container");
  byId("none").hidden = !list.length || fitting.length > 0;
  byId("table").hidden = fitting.length === 0;
  byId("count").textContent = view.filter ? `${fitting.length} of ${list.length}` : "";
  const items = arranged(fitting, at);
  place(items);
  const isDue = (item) => isInView(item) || partsOf(item).texts.size === 0;
  last = { items, at, rest: items.filter((item) => !isDue(item)) };
  drawRows(items.filter(isDue));
  if (!isWaiting) drawRest();
}

const partsOf = (item) => (item.track ? rows.get(item.track.who.cgroup) : groups.get(item.group));
const isInView = (item) => inView.has(partsOf(item)?.row);

let isWaiting = false;

/** Draws what is out of view, a turn at a time, while the page has nothing else to do. */
function drawRest() {
  isWaiting = last.rest.length > 0;
  if (!isWaiting) return;
  requestIdleCallback(() => {
    drawRows(last.rest.splice(0, TURN));
    drawRest();
  }, { timeout: 1000 });
}

/** The tracks in the order of their rows, those of closed groups too. */
export function shownTracks() {
  return (last?.items ?? []).flatMap((it) => it.track ?? []);
}

/** Puts the focus on the row of a track, or the next row in a direction. */
export function focusRow(track, step) {
  const links = [...byId("rows").querySelectorAll("a.name, button")];
  const focused = links.indexOf(document.activeElement);
  const own = track && rows.get(track.who.cgroup)?.name;
  const next = own ?? links[focused < 0 ? (step > 0 ? 0 : links.length - 1) : focused + step];
  next?.focus();
}

function isShown(track, at) {
  const { kind } = track.who;
  const asked = { container: true, cgroup: view.show.includes("cgroup"), unit: view.show.includes("unit"), host: view.show.includes("unit") };
  if (!asked[kind] || at < track.first) return false;
  if (track.end <= at && store.time(at) - store.time(Math.max(track.end - 1, store.first)) > ENDED_SHOWN_S) return false;
  // A cgroup that only holds others, such as the parent of all containers, has no tasks to tell of.
  return kind !== "cgroup" || recent(track, at).some((cpu) => cpu > 0);
}

/** CPUs of the last minute up to a tick. */
function recent(track, at) {
  const end = Math.min(at + 1, track.end) - track.first;
  return track.columns.cpu?.slice(Math.max(0, end - SPARK_POINTS), Math.max(0, end)) ?? [];
}

/** By the mean of the last minute, so that rows do not jump with every tick; what has ended stands last. */
function arranged(tracks, at) {
  const by = view.sort.replace("-", "");
  const order = view.sort.startsWith("-") ? -1 : 1;
  const rank = (track) => (by === "name" ? track.who.name : by === "cpu" || by === "wait" ? mean(track, by, at) : (track.get(by, at) ?? -1));
  const ranked = tracks.map((track) => ({ track, rank: rank(track), ended: track.end <= at }));
  const compareAll = (a, b) => a.ended - b.ended || order * compare(a.rank, b.rank) || compare(a.track.who.name, b.track.who.name);
  ranked.sort(compareAll);
  if (!view.group) return ranked;
  const parts = Map.groupBy(ranked, ({ track }) => groupOf(track.who));
  const titled = [...parts].map(([group, members]) => ({
    group,
    members,
    rank: by === "name" ? group : members.reduce((sum, it) => sum + Math.max(0, it.rank), 0),
  }));
  titled.sort((a, b) => (a.group === "") - (b.group === "") || order * compare(a.rank, b.rank) || compare(a.group, b.group));
  return titled.flatMap(({ group, members }) => [{ group, members }, ...(closed.has(group) ? [] : members)]);
}

function groupOf(who) {
  const within = { service: who.project, pod: who.namespace }[view.group];
  const own = who[view.group] ?? "";
  return own && within ? `${within} / ${own}` : own;
}

function mean(track, column, at) {
  let [sum, count] = [0, 0];
  const end = Math.min(at, track.end - 1);
  for (let tick = Math.max(end - SPARK_POINTS + 1, track.first); tick <= end; tick += 1) {
    sum += track.get(column, tick) ?? 0;
    count += 1;
  }
  return count ? sum / count : 0;
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** Puts the rows in their order, moving only those that must be; drops what is not there any more. */
function place(items) {
  const body = byId("rows");
  const focused = document.activeElement;
  const wanted = items.map((it) => (it.track ? rowOf(it.track) : rowOfGroup(it.group)).row);
  const staying = new Set(wanted);
  for (const parts of [rows, groups]) {
    for (const [key, { row }] of parts) {
      if (staying.has(row)) continue;
      row.remove();
      watcher.unobserve(row);
      inView.delete(row);
      parts.delete(key);
    }
  }
  let next = body.firstElementChild;
  for (const row of wanted) {
    if (row === next) next = next.nextElementSibling;
    else body.insertBefore(row, next);
  }
  if (focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
}

function rowOf({ who }) {
  const made = rows.get(who.cgroup);
  if (made) return made;
  const row = byId("row").content.firstElementChild.cloneNode(true);
  const parts = { ...cellsOf(row), runtime: row.querySelector(".runtime"), image: row.querySelector(".image"), spark: row.querySelectorAll("path") };
  row.addEventListener("click", (event) => {
    // Another tab is the browser's business.
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(store.tracks.get(who.cgroup));
  });
  return keep(rows, who.cgroup, parts);
}

function rowOfGroup(group) {
  const made = groups.get(group);
  if (made) return made;
  const row = byId("group").content.firstElementChild.cloneNode(true);
  const parts = { ...cellsOf(row), button: row.querySelector("button"), size: row.querySelector("small") };
  parts.name.textContent = group || "without one";
  parts.button.addEventListener("click", () => {
    if (!closed.delete(group)) closed.add(group);
    drawTable();
  });
  return keep(groups, group, parts);
}

function cellsOf(row) {
  const cells = Object.fromEntries(Object.keys(NUMBERS).map((name) => [name, row.querySelector(`.${name}`)]));
  return { row, name: row.querySelector(".name"), ...cells, texts: new Map() };
}

function keep(all, key, parts) {
  all.set(key, parts);
  watcher.observe(parts.row);
  return parts;
}

function drawRows(items) {
  for (const item of items) {
    const parts = partsOf(item);
    if (!parts) continue;
    if (item.track) drawRow(parts, item.track, last.at);
    else drawGroup(parts, item, last.at);
  }
}

function drawRow(parts, track, at) {
  const { who } = track;
  if (parts.who !== who) {
    parts.who = who;
    parts.name.href = `?${new URLSearchParams({ container: who.name })}`;
    setText(parts, "name", who.name);
    setText(parts, "runtime", who.runtime);
    setText(parts, "image", who.image ?? "");
    parts.name.title = [who.name, ...Object.entries(who.labels ?? {}).slice(0, 20).map((label) => label.join("="))].join("\n");
    parts.image.title = who.image ?? "";
  }
  const hasEnded = track.end <= at;
  for (const [name, words] of Object.entries(NUMBERS)) setText(parts, name, hasEnded ? "" : words(track.get(name, at)));
  if (hasEnded) setText(parts, "cpu", "ended");
  parts.row.classList.toggle("ended", hasEnded);
  if (inView.has(parts.row)) drawSparkline(parts, recent(track, at));
}

function drawGroup(parts, { group, members }, at) {
  const live = members.filter((it) => !it.ended);
  for (const [name, words] of Object.entries(NUMBERS)) {
    const values = live.map(({ track }) => track.get(name, at)).filter(format.known);
    setText(parts, name, words(values.length ? values.reduce((sum, value) => sum + value, 0) : null));
  }
  setText(parts, "size", `${live.length}`);
  parts.button.setAttribute("aria-expanded", !closed.has(group));
}

/** A cell that already says so is left alone. */
function setText(parts, name, text) {
  if (parts.texts.get(name) === text) return;
  parts.texts.set(name, text);
  parts[name].textContent = text;
}

/** Draws the last minute, newest at the right; less than a fiftieth of a CPU stays flat. */
function drawSparkline({ spark: [area, line] }, values) {
  const top = values.reduce((most, value) => (value > most ? value : most), 0.02);
  const left = SPARK_POINTS - values.length;
  const points = values.map((value, at) => `${left + at} ${(19 - (18 * (value || 0)) / top).toFixed(1)}`).join("L");
  line.setAttribute("d", points && `M${points}`);
  area.setAttribute("d", points && `M${left} 20L${points}V20Z`);
}
