// What is known of every entry, tick by tick, whether it comes from the live stream or from a recording.
//
// Ticks have numbers that go on as long as the page lives; an entry's track has a column a value, from its first tick on.
// NaN stands for what is not known, so that columns stay flat arrays of numbers; readers get null.

import { known } from "./format.js";

/** Ended entries that are still told of; the agent keeps as many. */
const MOST_ENDED = 1024;

/** All of one entry, or of the whole host: `end` is the number of the tick after its last. */
class Track {
  constructor(who, first) {
    this.who = who;
    this.first = first;
    this.end = first;
    this.columns = {};
    this.totals = null;
  }

  set(name, at, value) {
    const column = (this.columns[name] ??= []);
    const place = at - this.first;
    store.room -= Math.max(0, place + 1 - column.length);
    if (store.room < 0) return;
    while (column.length < place) column.push(NaN);
    // What a file says it holds may be anything.
    column[place] = typeof value === "number" || Array.isArray(value) ? value : NaN;
    this.end = Math.max(this.end, at + 1);
  }

  /** A value at a tick, or null. */
  get(name, at) {
    const value = this.columns[name]?.[at - this.first];
    return known(value) ? value : null;
  }

  has(name) {
    return this.columns[name]?.some(known) ?? false;
  }

  /** Takes over what the agent kept of it, for ticks by their numbers. */
  backfill(numbers, columns) {
    const first = Math.min(this.first, numbers[0]);
    for (const column of Object.values(this.columns)) column.unshift(...Array(this.first - first).fill(NaN));
    this.first = first;
    for (const [name, values] of Object.entries(columns)) {
      values.forEach((value, at) => known(value) && this.get(name, numbers[at]) === null && this.set(name, numbers[at], value));
    }
  }

  trim(first) {
    if (first <= this.first) return;
    for (const column of Object.values(this.columns)) column.splice(0, first - this.first);
    this.first = first;
  }
}

export const store = {
  /** What `hello` says. */
  server: { host: "", cpus: 1, interval_ms: 1000, ticks: 600, version: "" },
  /** Times of the ticks kept, in seconds; `times[0]` has the number `first`. */
  times: [],
  first: 0,
  /** The number of the first tick that tells of all entries; those before tell of some. */
  whole: 0,
  /** cgroup id → Track */
  tracks: new Map(),
  host: new Track({ name: "Whole host", cgroup: 0 }, 0),
  /** What the host and the agent said of themselves, by tick. */
  said: [],
  /** How many ticks are kept; 0 is all. */
  limit: 0,
  /** How many values are still taken in; below 0 some were left out. */
  room: Infinity,

  reset() {
    Object.assign(this, { times: [], first: 0, whole: 0, tracks: new Map(), said: [] });
    this.host = new Track(this.host.who, 0);
  },

  hello(server) {
    this.server = { ...this.server, ...server };
  },

  /** The number of the newest tick. */
  get last() {
    return this.first + this.times.length - 1;
  },

  /** The time of a tick. */
  time(at) {
    return this.times[at - this.first];
  },

  /** The number of the last tick not after a time; that of the first where there is none. */
  tickAt(time) {
    let [low, high] = [0, this.times.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] <= time) low = middle + 1;
      else high = middle;
    }
    return this.first + Math.max(0, low - 1);
  },

  /** Takes in a tick; false where the agent's clock was set back, and the store began anew. */
  take({ t, new: introduced, v, r, d, machine, agent }) {
    const goesOn = !(t / 1000 <= this.times.at(-1));
    if (!goesOn) this.reset();
    this.times.push(t / 1000);
    const at = this.last;
    this.said.push({ machine, own: ownOf(agent) });
    for (const who of introduced) {
      const track = this.tracks.get(who.cgroup);
      if (track) track.who = who;
      else this.tracks.set(who.cgroup, new Track(who, at));
    }
    // Null as long as no entry has a value: nothing known is not nothing used.
    let [cpus, waiting] = [null, null];
    for (const [cgroup, cpu, wait] of v) {
      const track = this.tracks.get(cgroup);
      track.set("cpu", at, cpu);
      track.set("wait", at, wait);
      if (cpu !== null) cpus += cpu;
      if (wait !== null) waiting += wait;
    }
    this.host.set("cpu_limit", at, this.server.cpus);
    this.host.set("cpu", at, cpus);
    this.host.set("wait", at, waiting);
    for (const [cgroup, ...now] of r ?? []) this.takeResources(this.tracks.get(cgroup), at, now);
    for (const detail of d ?? []) this.takeDetail(detail.cgroup === 0 ? this.host : this.tracks.get(detail.cgroup), at, detail);
    if (this.limit && this.times.length > this.limit + 60) this.trim();
    return goesOn;
  },

  /** Memory in use is told as it is, disks and network as totals, of which the growth since the tick before is shown. */
  takeResources(track, at, [memory, disk, net]) {
    if (!track) return;
    const before = track.totals;
    const elapsed = before && this.time(at) - before.time;
    const rate = (now, then) => (elapsed > 0 && known(now) && known(then) ? (now - then) / elapsed : null);
    track.set("memory", at, memory);
    track.set("disk", at, rate(disk, before?.disk));
    track.set("net", at, rate(net, before?.net));
    track.totals = { time: this.time(at), disk, net };
  },

  takeDetail(track, at, detail) {
    if (!track) return;
    for (const [name, value] of Object.entries(columnsOf(detail))) track.set(name, at, value);
  },

  /** Takes in what the agent kept of an entry, which may reach further back than the ticks that were told. */
  backfill(track, { taken, usage_cpus, runq_waiting, ...columns }) {
    const times = taken.map((ns) => Math.floor(ns / 1e6) / 1000);
    const older = times.filter((time) => !(time >= this.times[0]));
    this.times.unshift(...older);
    this.said.unshift(...older.map(() => ({})));
    this.first -= older.length;
    const numbers = times.map((time) => this.tickAt(time));
    if (!numbers.length) return;
    const rows = taken.map((_, at) => columnsOf(Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column[at] ?? undefined]))));
    const names = new Set(rows.flatMap(Object.keys));
    const told = Object.fromEntries([...names].map((name) => [name, rows.map((row) => row[name])]));
    track.backfill(numbers, { cpu: usage_cpus, wait: runq_waiting, ...told });
  },

  /** Forgets the oldest ticks, and what ended before them. */
  trim() {
    const gone = this.times.length - this.limit;
    this.times.splice(0, gone);
    this.said.splice(0, gone);
    this.first += gone;
    this.whole = Math.max(this.whole, this.first);
    this.host.trim(this.first);
    const ended = [];
    for (const [cgroup, track] of this.tracks) {
      if (track.end <= this.first) this.tracks.delete(cgroup);
      else if (track.end <= this.last) ended.push(cgroup);
      track.trim(this.first);
    }
    for (const cgroup of ended.slice(0, -MOST_ENDED)) this.tracks.delete(cgroup);
  },

  /**
   * Columns of a track between two ticks, with their times, as charts take them: null where nothing is known, and
   * between ticks that are far apart.
   */
  slice(track, names, from, to) {
    const times = [];
    const columns = names.map(() => []);
    const farApart = (3 * this.server.interval_ms) / 1000;
    for (let at = Math.max(from, this.first); at <= to; at += 1) {
      const time = this.time(at);
      if (time - times.at(-1) > farApart) {
        times.push((time + times.at(-1)) / 2);
        for (const column of columns) column.push(null);
      }
      times.push(time);
      names.forEach((name, which) => columns[which].push(track.get(name, at)));
    }
    return [times, ...columns];
  },
};

/** What is kept of what the agent says of itself; it says far more. */
function ownOf(agent) {
  const { cpu_ns, rss_bytes, programs_cpus, losses, family_state, points_dropped, ticks_skipped } = agent?.agent_self ?? {};
  return { cpu_ns, rss_bytes, programs_cpus, losses, family_state, points_dropped, ticks_skipped };
}

/** A detail's values as columns; buckets as `[bucket, count, bucket, count…]`. */
function columnsOf({ throttled, cpu_limit, memory, working_set, memory_limit, disk, net, wait, block, preemptors }) {
  const columns = { throttled, cpu_limit, memory, working_set, memory_limit, preemptors };
  if (disk) [columns.read, columns.written] = disk;
  for (const [peer, both] of Object.entries(net ?? {})) [columns[`${peer}_in`], columns[`${peer}_out`]] = both;
  if (wait) columns.waits = wait.flat();
  if (block) columns.blocks = block.flat();
  for (const name of Object.keys(columns)) if (columns[name] === undefined) delete columns[name];
  return columns;
}
