// The bar below the head: which point in time is shown while paused or of a recording, and playing on from there.

import * as format from "./format.js";
import { view } from "./link.js";
import { store } from "./store.js";
import { shownTick } from "./time.js";

/** Between two steps of playing; faster is a longer step. */
const STEP_MS = 100;

const byId = (id) => document.getElementById(id);

let timer = 0;
let show = () => {};

/** Calls `toShow(time)` with the point in time that was chosen. */
export function initBar(toShow) {
  show = toShow;
  byId("at").addEventListener("input", () => show(store.time(Number(byId("at").value))));
  byId("play").addEventListener("click", togglePlay);
  byId("speed").addEventListener("change", () => timer && play());
  byId("bar").addEventListener("submit", (event) => event.preventDefault());
}

export function drawBar(isRecording) {
  byId("bar").hidden = view.at === null;
  if (view.at === null) {
    stopPlaying();
    return;
  }
  const [slider, at] = [byId("at"), shownTick()];
  slider.min = store.whole;
  slider.max = store.last;
  slider.value = at;
  const text = format.days(store.time(at) ?? 0);
  byId("when").textContent = text;
  slider.setAttribute("aria-valuetext", text);
  byId("live").textContent = isRecording ? "close" : "back to live";
}

/** So many ticks on, or back. */
export function step(ticks) {
  const at = Math.min(store.last, Math.max(store.whole, shownTick() + ticks));
  show(store.time(at));
}

export function togglePlay() {
  if (timer) stopPlaying();
  else play();
}

export function stopPlaying() {
  clearInterval(timer);
  timer = 0;
  byId("play").textContent = "play";
}

function play() {
  clearInterval(timer);
  if (shownTick() >= store.last) show(store.time(store.whole));
  const perTick = store.server.interval_ms / Number(byId("speed").value);
  const ticks = Math.max(1, Math.round(STEP_MS / perTick));
  timer = setInterval(() => {
    step(ticks);
    if (shownTick() >= store.last) stopPlaying();
  }, Math.max(STEP_MS, perTick));
  byId("play").textContent = "stop";
}
