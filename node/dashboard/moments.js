// How the moments of a lesson look.

import { clocksTable } from "./cluster_tables.js";
import { el } from "./dom.js";
import { brief } from "./text.js";
import { valueView } from "./value.js";

const vcOf = (vc) => el("span.vc", ` vc [${vc.join(", ")}]`);
const atNode = (node, ...what) => el("p.moment.at-node", el("span.node-name", node), " ", what);
const pair = (key, value) => [el("code", key), " = ", valueView(value)];

export const title = (text, keys) =>
  el("div.moment.title", el("h2", text), el("p.about", "The keys of this run: ", el("code", keys.join(", "))));
export const step = (text) => el("h3.moment.step", text);
export const why = (text) => el("p.moment.why", el("strong", "Why: "), text);
export const note = (node, text) => atNode(node, text);
export const stored = (node, key, value, vc) => atNode(node, "stores ", pair(key, value), vcOf(vc));

/** `vc` null: the node has no value for the key. */
export const shown = (node, key, value, vc) =>
  (vc === null ? atNode(node, "shows nothing for ", el("code", key)) : atNode(node, "shows ", pair(key, value), vcOf(vc)));

export const held = (node, { dot, keys, waitsFor }) =>
  atNode(node, "holds ", el("code", brief(dot)), ` (writes ${keys.map((key) => brief(key)).join(", ")}): waits for `, el("code", brief(waitsFor)));

export function versions(node, key, all) {
  return el("div.moment.at-node",
    el("p", el("span.node-name", node), ` has ${all.length} ${all.length === 1 ? "version" : "versions"} of `, el("code", key)),
    el("ol.siblings", all.map((version, at) => el("li",
      valueView(version.value), vcOf(version.vc), el("span.origin", ` written at ${brief(version.node)}`), at === 0 && el("span.tag", "shown")))));
}

/** All clocks, { name, head, counts } each. */
export function clocks(rows) {
  const isEqual = rows.every(({ counts }) => JSON.stringify(counts) === JSON.stringify(rows[0].counts));
  const view = clocksTable("Clocks at this moment", rows, isEqual ? "All equal" : "Marked: not applied yet what another node has");
  view.classList.add("moment");
  return view;
}
