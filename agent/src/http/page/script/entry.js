// The one container that is looked at: who it is, its labels, who took the CPU from it, what happened to it.

import * as events from "./events.js";
import * as format from "./format.js";
import { view } from "./link.js";
import { store } from "./store.js";
import { shownTicks, span } from "./time.js";

const MOST_TAKERS = 10;
const MOST_EVENTS = 50;

const byId = (id) => document.getElementById(id);

/** The track meant by the link: a name, an id or its start, a cgroup id or path; live ones before ended ones. */
export function find(wanted) {
  const tracks = [...store.tracks.values()].sort((a, b) => b.end - a.end);
  const exactly = [(who) => who.name, (who) => who.id, (who) => String(who.cgroup), (who) => who.path, (who) => who.path?.slice(1), (who) => who.path?.split("/").at(-1)];
  for (const of of exactly) {
    const found = tracks.find(({ who }) => of(who) === wanted);
    if (found) return found;
  }
  return tracks.find(({ who }) => wanted.length > 3 && who.id?.startsWith(wanted)) ?? null;
}

/** Shows who it is, or that the host is shown; once for each that is chosen. */
export function introduce(track) {
  const who = track?.who;
  byId("detail-name").textContent = who ? who.name : view.container || "Whole host";
  byId("deselect").hidden = !view.container;
  byId("entries").hidden = Boolean(view.container);
  byId("detail").classList.toggle("whole", !view.container);
  byId("facts").textContent = who ? facts(who).join(" · ") : view.container ? "is not here" : "";
  const labels = Object.entries(who?.labels ?? {});
  byId("labels").hidden = labels.length === 0;
  byId("labels").firstElementChild.textContent = labels.length === 1 ? "1 label" : `${labels.length} labels`;
  byId("labels").lastElementChild.replaceChildren(...labels.map(labelItem));
}

function facts({ runtime, image, short_id, namespace, pod, project, service, path }) {
  const list = [runtime, image, short_id, namespace && `namespace ${namespace}`, pod && `pod ${pod}`, project && `project ${project}`, service && `service ${service}`, path];
  return list.filter(Boolean);
}

function labelItem([name, value]) {
  const item = document.createElement("div");
  const [title, text] = [document.createElement("dt"), document.createElement("dd")];
  title.textContent = name;
  text.textContent = value;
  item.append(title, text);
  return item;
}

/** What is told of the span that the charts show. */
export function drawEntry(track) {
  drawTakers(track);
  const [from, to] = span();
  const happened = events.marks(track?.who.cgroup, from, to).slice(-MOST_EVENTS).reverse();
  const shown = happened.map((it) => `${it.taken}${it.event}${it.cgroup}`).join() + !track;
  const element = byId("happened");
  element.hidden = happened.length === 0;
  if (element.dataset.shown === shown) return;
  element.dataset.shown = shown;
  element.lastElementChild.replaceChildren(...happened.map((it) => events.item(it, !track)));
}

/** Who ran while its tasks waited, as the mean over the span. */
function drawTakers(track) {
  const waited = new Map();
  const [from, to] = shownTicks();
  let ticks = 0;
  for (let at = Math.max(from, track?.first ?? to + 1); at <= to; at += 1) {
    const preemptors = track.get("preemptors", at);
    if (!preemptors) continue;
    ticks += 1;
    for (const { name, waiting } of preemptors) waited.set(name, (waited.get(name) ?? 0) + waiting);
  }
  byId("preemptors").hidden = waited.size === 0;
  const most = [...waited].sort((a, b) => b[1] - a[1]).slice(0, MOST_TAKERS);
  const rows = most.map(([name, sum]) => {
    const row = document.createElement("tr");
    const title = document.createElement("th");
    title.scope = "row";
    const value = document.createElement("td");
    value.className = "number";
    [title.textContent, value.textContent] = [name, format.milliseconds(sum / ticks)];
    row.append(title, value);
    return row;
  });
  byId("preemptors").querySelector("tbody").replaceChildren(...rows);
}
