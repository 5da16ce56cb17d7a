// The numbers of the host as a whole, at the point in time that is shown.

import * as format from "./format.js";
import { store } from "./store.js";

const byId = (id) => document.getElementById(id);

export function drawTotals(at) {
  const { cpus } = store.server;
  const used = store.host.get("cpu", at);
  let containers = 0;
  for (const { who, first, end } of store.tracks.values()) if (who.kind === "container" && first <= at && at < end) containers += 1;
  byId("total-cpu").textContent = format.known(used) ? used.toFixed(2) : "–";
  byId("total-cpus").textContent = `of ${cpus}` + (format.known(used) ? ` · ${((100 * used) / cpus).toFixed(0)} %` : "");
  byId("total-wait").textContent = format.milliseconds(store.host.get("wait", at));
  byId("total-containers").textContent = containers;
  drawMachine(store.said[at - store.first]?.machine ?? {});
}

/** What is not measured is not shown. */
function drawMachine({ mem: { total_bytes, available_bytes } = {}, load: { load1 } = {} }) {
  const used = total_bytes - available_bytes;
  byId("memory").hidden = Number.isNaN(used);
  byId("load").hidden = load1 === undefined;
  const [memory, share] = byId("memory").lastElementChild.children;
  const gib = (bytes) => (bytes / 2 ** 30).toFixed(1);
  memory.textContent = gib(used);
  share.textContent = `of ${gib(total_bytes)} GiB · ${((100 * used) / total_bytes).toFixed(0)} %`;
  byId("load").querySelector("b").textContent = load1?.toFixed(2);
}
