// What happened: starts, kills and ends, of the agent or of a recording, oldest first.

import * as format from "./format.js";

/** As many as the agent keeps. */
const KEPT = 1024;

let list = [];
/** Whether they come from a recording: the agent has nothing to add. */
let isRecorded = false;

export function forget(recorded) {
  list = [];
  isRecorded = recorded;
}

/** Adds events; returns whether there were any. */
export function add(events) {
  if (events.length) list = isRecorded ? list.concat(events) : list.concat(events).slice(-KEPT);
  return events.length > 0;
}

/** Asks the agent for what it has not told yet. */
export async function ask() {
  if (isRecorded) return false;
  // A whole nanosecond is more than a number holds, but ticks are far apart.
  const since = Math.ceil((list.at(-1)?.taken ?? 0) / 1e6);
  const response = await fetch(`api/v1/events?since=${since}000000`).catch(() => null);
  const told = response?.ok ? await response.json().catch(() => null) : null;
  return !isRecorded && add(told?.events ?? []);
}

/** Those of an entry within a span; of the host all containers'. */
export function marks(cgroup, from, to) {
  return list.filter((it) => (cgroup ? it.cgroup === cgroup : it.kind === "container") && it.taken / 1e9 >= from && it.taken / 1e9 <= to);
}

/** One in words, as a list's item; with the name of whom it happened to. */
export function item(event, isNamed) {
  const line = document.createElement("li");
  const at = document.createElement("time");
  at.textContent = format.days(event.taken / 1e9);
  line.append(at, isNamed ? ` ${event.name}: ${words(event)}` : ` ${words(event)}`);
  line.dataset.event = event.event;
  return line;
}

function words({ event, pid, comm, usage_ns, exit_code, signal, oom }) {
  if (event === "oom") return `out of memory: the kernel killed ${comm ?? "a process"}` + (pid ? ` (pid ${pid})` : "");
  if (event !== "exit") return event === "start" ? "started" : event;
  const list = ["ended"];
  if (exit_code !== undefined) list.push(`exit code ${exit_code}`);
  if (signal !== undefined) list.push(`signal ${signal}`);
  if (oom) list.push("out of memory");
  if (usage_ns !== undefined) list.push(`${(usage_ns / 1e9).toFixed(1)} s of CPU in all`);
  return list.join(", ");
}
