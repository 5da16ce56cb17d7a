// A recording from the person's disk, as `cgflux top` writes it: lines of JSON, packed by gzip or plain. It is read here and
// sent nowhere.

import * as events from "./events.js";
import { store } from "./store.js";

/** So many values of entries are kept, some 300 MB with details; of a longer recording the beginning. */
const MOST_POINTS = 1_000_000;
/** The page is left to do other things after so long. */
const TURN_MS = 30;

/** Reads a file into the store. `progress(share)` is called now and then. Returns what went wrong on the way, or "". */
export async function read(file, progress) {
  store.reset();
  store.limit = 0;
  events.forget(true);
  let number = 0;
  let turnEnds = 0;
  try {
    for await (const { line, read } of lines(file)) {
      number += 1;
      const problem = line && take(line, number);
      if (problem) return problem;
      if (store.points > MOST_POINTS) return "too long for this page: its beginning is shown";
      if (performance.now() > turnEnds) {
        progress(read / file.size);
        await new Promise((resolve) => setTimeout(resolve));
        turnEnds = performance.now() + TURN_MS;
      }
    }
  } catch {
    // Packed data that ends too soon, or is none.
    return "it ends in the middle";
  }
  return store.times.length ? "" : "there is nothing in it";
}

/** Takes in a line; returns what is wrong with it, or "". */
function take(line, number) {
  try {
    const { recording, hello, tick, events: happened } = JSON.parse(line);
    if (number === 1 && recording !== 1) return "this is no recording of cgflux, or of a later version";
    if (hello) store.hello(hello);
    if (tick) store.take(tick);
    if (happened) events.add(happened);
    return "";
  } catch {
    return `line ${number} is not understood`;
  }
}

/** The lines of a file, each with how much of the file was read. */
async function* lines(file) {
  let read = 0;
  const counted = new TransformStream({
    transform(chunk, controller) {
      read += chunk.length;
      controller.enqueue(chunk);
    },
  });
  const start = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  const isPacked = start[0] === 0x1f && start[1] === 0x8b;
  let bytes = file.stream().pipeThrough(counted);
  if (isPacked) bytes = bytes.pipeThrough(new DecompressionStream("gzip"));
  const texts = bytes.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await texts.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const line of parts) yield { line, read };
  }
  if (rest) yield { line: rest, read };
}
