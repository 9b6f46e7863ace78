// The same events as a table: for those who do not see the picture, and for reading exactly.

import { el, onClick, say, show } from "./dom.js";
import { describe, standing } from "./sentences.js";
import { keysOf, timeOfDay } from "./words.js";

const PAGE = 50;
const HEADS = ["time", "node", "event", "write", "keys", "clock", "stands to the selected write"];
const WORDS = { confirmed: "confirmed by the broker", delivered: "arrived", released: "let through" };

/** `onSelect(dot, node)` when a write is chosen, at the event of a node; `onTurn()` when another page is wanted. */
export function createEventTable(onSelect, onTurn) {
  let page = 0;
  let shown = "";
  let isTurned = false;
  const body = el("tbody");
  const range = el("span");
  // The range changes with every event: it is spoken when a page was turned only.
  const spoken = el("span.visually-hidden", { role: "status" });
  const newer = el("button", { type: "button", "data-turn": -1 }, "Newer");
  const older = el("button", { type: "button", "data-turn": 1 }, "Older");
  const element = el("section", { class: "cd-table", "aria-label": "Events as a table", hidden: true },
    el("div", { class: "cd-pages" }, newer, older, range, spoken),
    el("div", { class: "cd-scroll", tabindex: "0", role: "group", "aria-label": "Events" },
      el("table", {}, el("caption", {}, "The newest first, by the wall clocks of their nodes."),
        el("thead", {}, el("tr", {}, HEADS.map((head) => el("th", { scope: "col" }, head)))), body)));
  onClick(element, "dot", (dot, { dataset }) => onSelect(dot, dataset.node));
  onClick(element, "turn", (step) => {
    isTurned = true;
    page = Math.max(0, page + Number(step));
    onTurn();
  });
  return {
    element,
    /** Show the events of these lanes that the filters let through. */
    show({ trace, selected, filters, isShown }, lanes) {
      const state = `${trace.version} ${selected?.dot} ${page} ${lanes.map(({ node }) => node)} ${filters.key}`;
      if (element.hidden || state === shown) return;
      shown = state;
      const events = lanes.flatMap(({ entries }) => entries.filter(isShown)).sort((a, b) => b.atMs - a.atMs || b.number - a.number);
      page = Math.min(page, Math.max(0, Math.ceil(events.length / PAGE) - 1));
      const part = events.slice(page * PAGE, (page + 1) * PAGE);
      newer.ariaDisabled = String(page === 0);
      older.ariaDisabled = String((page + 1) * PAGE >= events.length);
      say(range, events.length === 0 ? "No events." : `Events ${page * PAGE + 1} to ${page * PAGE + part.length} of ${events.length}.`);
      if (isTurned) say(spoken, range.textContent);
      isTurned = false;
      show(body, ...part.map((entry) => row(trace, entry, selected)));
    },
  };
}

function row(trace, entry, selected) {
  const { write, kind, waitsFor, node, run, number } = entry;
  const clock = write.clock === null ? "not known" : [...write.clock].map((pair) => pair.join("=")).join(", ");
  const button = el("button", { type: "button", "data-dot": write.dot, "data-node": node, "aria-label": `Select ${write.dot}: ${describe(trace, entry)}` }, write.dot);
  const what = waitsFor === null ? (WORDS[kind] ?? kind) : `held, waits for ${waitsFor}`;
  const cells = [timeOfDay(entry.atMs), node, what, button, keysOf(write), clock, standing(write, selected)];
  return el("tr", { class: write === selected && "cd-chosen", "data-key": `${node} ${run} ${number}` }, cells.map((cell) => el("td", {}, cell)));
}
