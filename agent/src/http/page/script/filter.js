// The filter: words that must all fit, `label:value` for a certain label, `-` before what must not be.

/** What a word without a label is looked for in. */
const TEXT = ["name", "image", "id", "namespace", "pod", "project", "service"];
/** What can be asked for by its own name; anything else is a label. */
const OWN = [...TEXT, "short_id", "runtime", "kind", "unit", "slice", "path"];

let compiled = { text: null, words: [] };

/** Whether an entry fits a filter. */
export function fits(who, text) {
  if (compiled.text !== text) compiled = { text, words: parse(text) };
  return compiled.words.every(({ not, label, value }) => not !== fitsWord(who, label, value));
}

function parse(text) {
  const words = text.toLowerCase().matchAll(/(-?)(?:([^\s":]+):)?(?:"([^"]*)"?|(\S*))/g);
  return [...words]
    .map(([whole, not, label, quoted, plain]) => ({ whole, not: not === "-", label, value: quoted ?? plain ?? "" }))
    .filter(({ whole, label, value }) => whole && whole !== "-" && (label || value));
}

function fitsWord(who, label, value) {
  const has = (text) => typeof text === "string" && text.toLowerCase().includes(value);
  if (!label) return TEXT.some((key) => has(who[key]));
  if (OWN.includes(label)) return has(who[label]);
  // `service:web` is also `com.docker.compose.service: web`.
  return Object.entries(who.labels ?? {}).some(([key, text]) => {
    const name = key.toLowerCase();
    return (name === label || name.endsWith(`.${label}`) || name.endsWith(`/${label}`)) && has(text);
  });
}
