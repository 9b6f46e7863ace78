// The legend: every mark with what it means, drawn as in the picture.

import { el } from "./dom.js";
import { arrow, bar, halo, jag, MARKS, ring, stretch } from "./marks.js";

const [WIDTH, HEIGHT, X, Y] = [44, 26, 22, 14];

const mark = (kind, colour, dx = 0, dy = 0, isInferred = false) => (ctx, p) => MARKS[kind](ctx, X + dx, Y + dy, { colour: p[colour], paper: p.paper, isInferred });
const relation = (name, colour) => (ctx, p) => {
  stretch(ctx, name, 2, WIDTH - 2, Y, p[colour]);
  MARKS.applied(ctx, X, Y, { colour: p[colour] });
  ring(ctx, name, X, Y, p[colour]);
};
const way = (colour, dash) => (ctx, p) => arrow(ctx, { x: 4, y: 5 }, { x: WIDTH - 6, y: 21 }, p[colour], { dash });

const LISTS = [
  ["What happens to a write", [
    ["Accepted", "a node took a write from a client", mark("accepted", "accent")],
    ["Confirmed", "the broker has it, for every node’s queue", mark("confirmed", "ok", 0, 12)],
    ["Arrived", "a message with the write reached another node", mark("delivered", "ink", 8)],
    ["Held", "it came before something that it happened after; the bar is as long as the wait", (ctx, p) => bar(ctx, 4, WIDTH - 4, Y - 5, 10, p)],
    ["Applied", "readers of that node see it from now on", mark("applied", "ink")],
    ["Inferred", "that it was accepted is known only from what others say", mark("accepted", "accent", 0, 0, true)],
    ["Broken", "events are missing here, or the node was started anew", (ctx, p) => jag(ctx, X, Y, p.soft, p.paper)],
  ]],
  ["Once you choose a write", [
    ["Selected", "the write that you chose", (ctx, p) => halo(ctx, X, Y, p.accent)],
    ["Its past", "one line: these happened before it, and may have led to it", relation("before", "past")],
    ["Its future", "two lines: these happened after it, and may follow from it", relation("after", "future")],
    ["Concurrent", "dashes: neither; whoever wrote one had not seen the other", relation("concurrent", "concurrent")],
    ["Its way", "from where it was written to every node", way("accent", [])],
    ["Waited for", "the way of what a held write waits for; “?”: it is not there yet", way("held", [5, 3])],
  ]],
];

/** The element, and `paint(palette)` that draws the marks in these colours. */
export function createLegend() {
  const drawn = [];
  const item = ([name, meaning, draw]) => {
    const canvas = el("canvas", { "aria-hidden": "true" });
    drawn.push([canvas, draw]);
    return el("li", {}, canvas, el("span", {}, el("strong", {}, name), ` ${meaning}`));
  };
  const lists = LISTS.map(([title, rows]) => el("div", {}, el("h2", {}, title), el("ul", {}, rows.map(item))));
  return {
    element: el("details", { open: true }, el("summary", {}, "Legend"), el("div", { class: "cd-legend-lists" }, lists)),
    paint(palette) {
      const ratio = window.devicePixelRatio || 1;
      for (const [canvas, draw] of drawn) {
        Object.assign(canvas, { width: WIDTH * ratio, height: HEIGHT * ratio });
        const ctx = canvas.getContext("2d");
        ctx.scale(ratio, ratio);
        draw(ctx, palette);
      }
    },
  };
}
