// What the person looks at, kept in the page's address: a link opens the same view, and "back" goes back.

/** What stands in no link. */
const USUAL = { container: "", filter: "", group: "", show: "cgroup", sort: "-cpu", range: 300, at: null, zoom: null };

export const view = { ...USUAL };

/** Takes the view from the address: `?container=web&range=60`, or cAdvisor's `/containers/web` and `/docker/web`. */
export function readLink() {
  const asked = new URLSearchParams(location.search);
  const number = (text) => (text && Number.isFinite(Number(text)) ? Number(text) : null);
  const [from, to] = (asked.get("zoom") ?? "").split("~").map(number);
  Object.assign(view, USUAL, {
    container: asked.get("container") ?? ofPath(),
    filter: asked.get("filter") ?? USUAL.filter,
    group: asked.get("group") ?? USUAL.group,
    show: asked.get("show") ?? USUAL.show,
    sort: asked.get("sort") ?? USUAL.sort,
    range: number(asked.get("range")) ?? (asked.get("range") === "all" ? 0 : USUAL.range),
    at: number(asked.get("at")),
    zoom: from < to ? [from, to] : null,
  });
}

/** Writes the view to the address; a step that "back" undoes where `isStep`. */
export function writeLink(isStep = false) {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(view)) {
    if (value === null || String(value) === String(USUAL[name])) continue;
    if (name === "zoom") asked.set(name, value.map((at) => at.toFixed(1)).join("~"));
    else asked.set(name, name === "range" && value === 0 ? "all" : value);
  }
  const text = asked.toString();
  const link = new URL(text ? `?${text}` : ".", document.baseURI);
  if (link.href !== location.href) history[isStep ? "pushState" : "replaceState"](null, "", link);
}

function ofPath() {
  const found = /\/(?:containers|docker|podman)\/(.+?)\/?$/.exec(location.pathname);
  try {
    return found ? decodeURIComponent(found[1]) : "";
  } catch {
    return "";
  }
}
