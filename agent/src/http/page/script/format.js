// Numbers and times in words. What is not known is a dash.

export const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);

const or = (format) => (value) => (known(value) ? format(value) : "–");

export const cpus = or((value) => value.toFixed(value < 10 ? 3 : 2));

/** Of a share of a second. */
export const milliseconds = or((share) => (share * 1000).toFixed(share < 0.1 ? 1 : 0));

export const count = or((value) => value.toLocaleString("en"));

/** 12.3 MiB */
export const bytes = or((value) => scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]));

/** 12.3 MB/s */
export const rate = or((value) => scaled(value, 1000, ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"]));

/** The same on an axis, where zeros behind the point only take room. */
export const onAxis = (words) => (value) => words(value).replace(".0 ", " ");

function scaled(value, step, units) {
  let at = 0;
  while (Math.abs(value) >= 999.5 && at < units.length - 1) {
    value /= step;
    at += 1;
  }
  return `${at > 0 && Math.abs(value) < 99.95 ? value.toFixed(1) : value.toFixed(0)} ${units[at]}`;
}

/** Of nanoseconds: 65 µs */
export const duration = or((ns) => {
  let at = 0;
  while (ns >= 1000 && at < 3) {
    ns /= 1000;
    at += 1;
  }
  return `${ns < 9.95 && at > 0 ? +ns.toFixed(1) : ns.toFixed(0)} ${["ns", "µs", "ms", "s"][at]}`;
});

const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const ofMinutes = new Intl.DateTimeFormat(undefined, clock);
const ofSeconds = new Intl.DateTimeFormat(undefined, { ...clock, second: "2-digit" });
const ofDays = new Intl.DateTimeFormat(undefined, { ...clock, second: "2-digit", day: "numeric", month: "short" });

/** Of seconds since 1970. */
export const minutes = (at) => ofMinutes.format(at * 1000);
export const seconds = (at) => ofSeconds.format(at * 1000);
export const days = (at) => ofDays.format(at * 1000);
