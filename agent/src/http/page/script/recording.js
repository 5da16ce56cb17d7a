// A recording from the person's disk, as `cgflux top` writes it: lines of JSON, packed by gzip or plain. It is read here and
// sent nowhere.

import * as events from "./events.js";
import { store } from "./store.js";

/** So many values, so much text of all lines and so many events are taken in; of a longer recording the beginning. */
const MOST_VALUES = 25_000_000;
const MOST_TEXT = 512 << 20;
const MOST_EVENTS = 100_000;
/** A longer line is refused; `MAX_LINE_BYTES` of the agent. */
const LONGEST_LINE = 64 << 20;
/** The file is unpacked by so many bytes at a time, of which gzip makes a thousand times as many at the most. */
const PIECE = 64 << 10;
/** The page is left to do other things after so long. */
const TURN_MS = 30;

/**
 * Reads a file into the store, until `signal` says that it is no longer wanted. `progress(share)` is called now and then.
 * Returns what went wrong on the way, or "".
 */
export async function read(file, signal, progress) {
  store.reset();
  Object.assign(store, { limit: 0, room: MOST_VALUES });
  events.forget(true);
  let [number, text, turnEnds] = [0, 0, 0];
  try {
    for await (const { line, read } of lines(file)) {
      if (signal.aborted) return "";
      number += 1;
      text += line.length + 1;
      const problem = line && take(line, number);
      if (problem) return problem;
      if (store.room < 0 || text > MOST_TEXT || events.count() > MOST_EVENTS) return "too long for this page: its beginning is shown";
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
  if (line.length > LONGEST_LINE) return `line ${number} is longer than 64 MiB`;
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

/** The lines of a file, each with how much of the file was read; of one that is too long the beginning, and then no more. */
async function* lines(file) {
  let read = 0;
  let bytes = new ReadableStream({
    async pull(controller) {
      const piece = await file.slice(read, read + PIECE).arrayBuffer();
      read += piece.byteLength;
      if (piece.byteLength) controller.enqueue(new Uint8Array(piece));
      else controller.close();
    },
  });
  const start = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  const isPacked = start[0] === 0x1f && start[1] === 0x8b;
  if (isPacked) bytes = bytes.pipeThrough(new DecompressionStream("gzip"));
  const texts = bytes.pipeThrough(new TextDecoderStream()).getReader();
  let line = "";
  try {
    while (line.length <= LONGEST_LINE) {
      const { done, value } = await texts.read();
      if (done) break;
      for (const [at, part] of value.split("\n").entries()) {
        if (at > 0) {
          yield { line, read };
          line = "";
        }
        line += part;
      }
    }
    if (line) yield { line, read };
  } finally {
    texts.cancel().catch(() => {});
  }
}
