// The panel beside the picture: what the selected write is, what became of it, and why.

import { clockTable } from "./clock_table.js";
import { covers } from "./clocks.js";
import { el, onClick, show } from "./dom.js";
import { explainRelation } from "./sentences.js";
import { brief, counted } from "./text.js";
import { shortName, timeOfDay } from "./words.js";

const NAMED_MAX = 6;
const RELATED = [["past", "happened before it", "◂"], ["future", "happened after it", "▸"], ["concurrent", "concurrent with it", "∥"]];
const signed = (sign) => el("span", { class: "cd-sign", "aria-hidden": "true" }, sign);

/** `onSelect(dot)` is called when a write that is named in the panel is chosen; the focus goes on to the panel about that one. */
export function createDetails(onSelect) {
  const element = el("section", { class: "cd-details", "aria-label": "The selected write" });
  let shown = "";
  let isAwaited = false; // the panel about a write that was chosen here
  onClick(element, "dot", (dot) => {
    isAwaited = true;
    onSelect(dot);
  });
  return {
    element,
    show(trace, write, second, lanes) {
      const state = `${trace.version} ${write?.dot} ${second?.dot} ${lanes.length}`;
      if (state !== shown) show(element, ...(write === null ? nothingChosen(trace) : about(trace, write, second, lanes)));
      shown = state;
      // The button that was pressed is gone.
      if (isAwaited) element.querySelector("h2")?.focus();
      isAwaited = false;
    },
  };
}

function nothingChosen({ size }) {
  return [el("p", { class: "cd-soft" }, size === 0
    ? "Nothing has happened yet. A write shows here as soon as a node accepts it."
    : "Choose a write: click its mark, or move to it with the arrow keys and press Enter. You will see what led to it, what followed from it, and why a node holds it back.")];
}

function about(trace, write, second, lanes) {
  const keys = write.keys.map((key) => brief(key, 60)).join(", ") || "keys not known";
  const when = write.accepted === null ? "" : ` at ${timeOfDay(write.accepted.atMs)} by its clock`;
  const what = [...new Set(write.operations)].map((operation) => brief(operation, 16)).join(", ") || "write";
  return [
    el("h2", { tabindex: "-1" }, keys, write.keysLeftOut > 0 && ` and ${write.keysLeftOut} more`),
    el("p", { class: "cd-soft" }, `${what}, accepted by ${write.origin}${when}. Its name is ${write.dot}: write number ${write.seq} of ${write.replica}.`),
    el("h3", {}, "What became of it"),
    el("ul", { class: "cd-fates" }, lanes.map(({ node, clock }) => {
      const isHeld = write.visits.get(node)?.held.length > 0;
      const [state, sign] = covers(clock, write) ? ["applied", "●"] : isHeld ? ["held", "▤"] : ["open", "○"];
      return el("li", { class: `cd-${state}` }, signed(sign), trace.explain(write.dot, node));
    })),
    el("h3", {}, "Before, after, beside"),
    ...RELATED.map((kind) => related(trace, write, kind)),
    el("h3", {}, "Clocks side by side"),
    el("p", { class: "cd-relation" }, second === null ? "Point at a second write, or choose one with “Compare”, to read how the two stand to each other." : explainRelation(write, second)),
    el("div", { class: "cd-scroll", tabindex: "0", role: "group", "aria-label": "Clocks" }, clockTable(write, second, lanes)),
  ];
}

function related(trace, write, [name, words, sign]) {
  const dots = trace[name](write.dot);
  const nearest = name === "past" ? dots.slice(-NAMED_MAX) : dots.slice(0, NAMED_MAX);
  // The clock counts all of the past, also what is not in this picture.
  const all = name === "past" && write.clock !== null ? [...write.clock.values()].reduce((sum, seq) => sum + seq, -1) : dots.length;
  const buttons = nearest.map((dot) => {
    const text = shortName(trace.write(dot), 16);
    return el("button", { type: "button", "data-key": dot, "data-dot": dot, title: dot, "aria-label": `${text}, ${dot}` }, text);
  });
  return el("div", { class: `cd-related cd-${name}` },
    el("p", {}, signed(sign), `${counted(all, "write")} ${words}${all > dots.length ? ` (${dots.length} in this picture)` : ""}`),
    el("div", { class: "cd-chips" }, buttons, dots.length > nearest.length && el("span", { class: "cd-soft" }, `and ${dots.length - nearest.length} more`)));
}
