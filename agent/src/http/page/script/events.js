// What happened: starts, kills and ends, of the agent or of a recording, oldest first.

import * as format from "./format.js";

/** As many as the agent keeps. */
const KEPT = 1024;
/** An answer that takes longer is asked for again. */
const LONGEST_MS = 10_000;

let list = [];
/** The list that the agent is asked to go on with, while it is. */
let asking = null;
/** Whether they come from a recording: the agent has nothing to add. */
let isRecorded = false;

export function forget(recorded) {
  list = [];
  isRecorded = recorded;
}

/** Adds events; returns whether there were any. */
export function add(events) {
  for (const event of events) list.push(event);
  if (!isRecorded && list.length > KEPT) list.splice(0, list.length - KEPT);
  return events.length > 0;
}

export const count = () => list.length;

/** Asks the agent for what it has not told yet; once at a time. Returns whether there was any. */
export async function ask() {
  if (isRecorded || asking === list) return false;
  const asked = (asking = list);
  const last = asked.at(-1)?.taken ?? 0;
  // A whole nanosecond is more than a number holds, but ticks are far apart.
  const since = Math.ceil(last / 1e6);
  const response = await fetch(`api/v1/events?since=${since}000000`, { signal: AbortSignal.timeout(LONGEST_MS) }).catch(() => null);
  const told = response?.ok ? await response.json().catch(() => null) : null;
  // They were forgotten meanwhile.
  if (asked !== list) return false;
  asking = null;
  return add((told?.events ?? []).filter(({ taken }) => taken > last));
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
