// Vector clocks side by side: the selected write's, a second write's, and every node's.

import { naturalOrder, nodeOf } from "./clock.js";
import { el } from "./dom.js";
import { shortName } from "./words.js";

/** Beyond so many rows those are left out in which nothing differs: old incarnations make clocks long. */
const ROWS_MAX = 12;
/** Heads over the columns, and how many each stands over. */
const GROUPS = [["selected", 1], ["second", 1], ["applied by now at"]];
const at = (clock, replica) => clock.get(replica) ?? 0;

/** `second` may be null. */
export function clockTable(write, second, lanes) {
  if (write.clock === null) return el("p", { class: "cd-soft" }, "Its clock is not known: the event that tells it is not among those here.");
  const columns = [
    [shortName(write, 12), write.clock, "cd-own"],
    [second === null ? "…" : shortName(second, 12), second?.clock ?? null],
    ...lanes.map(({ node, clock }) => [node, clock]),
  ];
  const clocks = columns.map(([, clock]) => clock).filter((clock) => clock !== null);
  const nodes = new Set(lanes.map(({ node }) => node));
  const all = [...new Set(clocks.flatMap((clock) => [...clock.keys()]))].sort(naturalOrder)
    .filter((replica) => nodes.has(nodeOf(replica)) || write.clock.has(replica));
  const differs = (replica) => clocks.some((clock) => at(clock, replica) !== at(write.clock, replica));
  const rows = all.length <= ROWS_MAX ? all : all.filter(differs).slice(0, 4 * ROWS_MAX);
  return el("div", {},
    el("table", { class: "cd-clocks" },
      el("caption", {}, "How many writes of each replica are counted. ▾ and ▴: fewer or more than the selected write counts."),
      el("thead", {},
        el("tr", {}, el("td"), GROUPS.map(([text, span]) => el("th", { scope: "colgroup", colspan: span ?? lanes.length }, text))),
        el("tr", {}, el("th", { scope: "col" }, "writes of"), columns.map(([title, , kind]) => el("th", { scope: "col", class: kind }, title)))),
      el("tbody", {}, rows.map((replica) => el("tr", {},
        el("th", { scope: "row" }, nodeOf(replica), el("small", {}, replica.slice(nodeOf(replica).length))),
        columns.map(([, clock, kind]) => cell(clock, replica, at(write.clock, replica), kind)))))),
    rows.length < all.length && el("p", { class: "cd-soft" }, `${all.length - rows.length} further entries are left out.`));
}

function cell(clock, replica, own, kind) {
  if (clock === null) return el("td", {}, "·");
  const number = at(clock, replica);
  if (number === own) return el("td", { class: kind }, number);
  const [name, sign] = number < own ? ["fewer", "▾"] : ["more", "▴"];
  return el("td", { class: `cd-${name}` }, number, el("span", { "aria-hidden": "true" }, ` ${sign}`), el("span", { class: "visually-hidden" }, `, ${name}`));
}
