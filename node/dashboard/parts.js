// The elements of the diagram.

import { createDetails } from "./details.js";
import { el } from "./dom.js";
import { createEventTable } from "./event_table.js";
import { createLegend } from "./legend.js";
import { createToolbar } from "./toolbar.js";

const HELP = "Arrow keys move from event to event and from lane to lane, Home and End to the ends of a lane. Enter chooses the write, C a second one, Escape lets go. Plus, minus and 0 change the size, Page Up and Down scroll, space pauses. The table shows the same.";

/** Put them into a container: `act(name, value)` is wanted by a control, `choose(dot)` a write, `turn()` another page of the table. */
export function createParts(container, { act, choose, turn }) {
  const parts = {
    toolbar: createToolbar(act),
    legend: createLegend(),
    details: createDetails(choose),
    table: createEventTable(choose, turn),
    live: el("p", { class: "visually-hidden", role: "status", "aria-live": "polite" }),
    words: el("p", { class: "cd-soft" }),
    tip: el("p", { class: "cd-tip", "aria-hidden": "true", hidden: true }),
    labels: el("div", { class: "cd-labels" }),
    canvas: el("canvas", {
      tabindex: "0", role: "application", "aria-roledescription": "space-time diagram",
      "aria-label": "What happened to each write at each node", "aria-describedby": "cd-help",
    }),
  };
  const { toolbar, legend, details, table, live, words, tip, labels, canvas } = parts;
  const stage = el("div", { class: "cd-stage" }, canvas, tip);
  const picture = el("div", {}, el("div", { class: "cd-plot" }, labels, stage), words, table.element, legend.element);
  const help = el("p", { class: "visually-hidden", id: "cd-help" }, HELP);
  const root = el("div", { class: "causal-diagram" }, toolbar.element, el("div", { class: "cd-body" }, picture, details.element), help, live);
  container.replaceChildren(root);
  return { ...parts, stage, root, ctx: canvas.getContext("2d") };
}
