// The live stream of the agent. A hidden page is disconnected, and told what it missed when it comes back.

/** A page that hears nothing for so many intervals says so. */
const STALE_INTERVALS = 5;
const RETRY_MS = 5_000;

let source = null;
let lastId = "";
let staleTimer = 0;
let retryTimer = 0;
let intervalMs = 1000;
/** Of which entries details are told; 0 is the whole host. */
let detail = [0];
/** `hello(about)`, `tick(tick)` and `state(word, text)`; null while nothing is to be heard. */
let listener = null;

export function start(to) {
  listener = to;
  lastId = "";
  connect();
}

export function stop() {
  disconnect();
  listener = null;
}

/** Asks for the details of an entry beside those of the host. */
export function follow(cgroup) {
  const wanted = cgroup ? [0, cgroup] : [0];
  if (String(wanted) === String(detail)) return;
  detail = wanted;
  if (listener && !document.hidden) connect();
}

/** Has the next connection tell all that is kept. */
export function startAnew() {
  lastId = "";
}

function connect() {
  disconnect();
  const since = lastId && `&since=${lastId}`;
  source = new EventSource(`api/v1/live?detail=${detail}${since}`);
  source.addEventListener("hello", (event) => {
    const about = JSON.parse(event.data);
    intervalMs = about.interval_ms;
    listener.hello(about);
  });
  source.addEventListener("tick", (event) => {
    lastId = event.lastEventId;
    listener.tick(JSON.parse(event.data));
    listener.state("live");
    clearTimeout(staleTimer);
    staleTimer = setTimeout(() => listener?.state("stale", "no data from the collector"), STALE_INTERVALS * intervalMs);
  });
  source.onerror = () => {
    clearTimeout(staleTimer);
    // The browser comes back by itself unless the server refused: it may have too many watchers.
    const refused = source.readyState === EventSource.CLOSED;
    listener.state("lost", `${refused ? "refused" : "connection lost"}, trying again`);
    if (refused) retryTimer = setTimeout(connect, RETRY_MS);
  };
}

function disconnect() {
  clearTimeout(staleTimer);
  clearTimeout(retryTimer);
  source?.close();
}

document.addEventListener("visibilitychange", () => {
  if (!listener) return;
  if (document.hidden) disconnect();
  else connect();
});
