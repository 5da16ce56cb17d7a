// What the agent itself costs and loses, and how its sinks stand: always in view.

import { seconds } from "./format.js";
import { store } from "./store.js";

/** Ticks over which its CPU is told. */
const TICKS = 10;
/** No loss of CPU time: of turns whose beginning was not seen, only the wait before them is not counted. */
const MINOR_LOSSES = ["unseen_switch_ins"];

const byId = (id) => document.getElementById(id);

export function drawOwn(at) {
  const { programs_cpus, rss_bytes, losses, family_state, points_dropped, ticks_skipped } = said(at);
  byId("own-cpu").textContent = share(at);
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
}

/** What it said of itself at a tick; the past is told without. */
function said(at) {
  return store.said[at - store.first]?.own ?? {};
}

/** Percent of one CPU over the last ticks that tell, since its start. */
function share(at) {
  const { cpu_ns: now } = said(at);
  let first = null;
  for (let tick = Math.max(store.first, at - TICKS + 1); tick < at && !first; tick += 1) {
    const { cpu_ns } = said(tick);
    if (cpu_ns <= now) first = { tick, cpu_ns };
  }
  if (!first) return "–";
  return `${((now - first.cpu_ns) / (store.time(at) - store.time(first.tick)) / 1e7).toFixed(2)} %`;
}

/** Asks how the sinks stand. */
export async function tellSinks() {
  const response = await fetch("api/v1/status").catch(() => null);
  const status = response?.ok ? await response.json().catch(() => null) : null;
  if (status) byId("sinks").replaceChildren(...status.sinks.map((sink) => sinkLine(sink, status.taken)));
}

/** What a server said of itself is hostile, too. */
function sinkLine({ name, state, failing, points_lost, waiting, last_ack }, now) {
  const ago = (ns) => `${Math.max(0, (now - ns) / 1e9).toFixed(0)} s ago`;
  const lost = Object.entries(points_lost);
  const words = [
    failing ? `failing since ${seconds(failing.since / 1e9)}: ${failing.reason}` : state,
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
