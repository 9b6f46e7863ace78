// Tables of nodes.

import { byNode, missing, naturalOrder, total } from "./clock.js";
import { el } from "./dom.js";
import { appliedAnywhere, dotsInWords, nameOf } from "./explain.js";
import { brief, bytes, counted, duration, listed, moment, number } from "./text.js";

const STATES = { connecting: "◌ asking …", connected: "● reached", unreachable: "✕ not reached", unknown: "? not asked" };
const BROKERS = { connected: "● connected", blocked: "◐ blocked", disconnected: "✕ disconnected" };
// So many rows and columns a table of clocks has: more is neither read nor drawn in time.
const SHOWN_MAX = 24;
const LIMITS = [
  ["Outbox", "outbox_max_writes", "outbox", number],
  ["Store", "store_max_bytes", "storeUsedBytes", bytes],
  ["History", "history_max_writes", "historyWrites", number],
  ["Waiting requests", "waiting_max_requests", "waitingRequests", number],
];

/** A state by shape and word. */
function mark(state, text) {
  const [symbol, ...words] = text.split(" ");
  return el("span", { class: `state ${state}` }, el("span", { "aria-hidden": "true", class: "symbol" }, symbol), ` ${words.join(" ")}`);
}

export const stateMark = (node) => mark(node.state, STATES[node.state]);

const unit = (text) => el("span.unit", text);
const asOf = (text) => el("span.as-of", text);
const numeric = (text, wantsAttention = false) => el("td", { class: wantsAttention ? "number attention" : "number" }, text);

/** A table that scrolls by itself where it is too wide; of each row the first cell is its heading. */
function table(label, head, rows, keys, caption = "") {
  const cell = (content) => (content instanceof Element && content.tagName === "TD" ? content : el("td", content ?? "–"));
  return el("div.scroller", { role: "group", "aria-label": label, tabindex: 0 },
    el("table",
      caption && el("caption", caption),
      el("thead", el("tr", head.map((content) => el("th", { scope: "col" }, content)))),
      el("tbody", rows.map(([first, ...others], at) =>
        el("tr", { "data-key": keys[at] }, el("th", { scope: "row" }, first), others.map(cell))))));
}

/** Clocks side by side, { name, head, counts } a row; counts by node, null where they are not known. What is behind is marked. */
export function clocksTable(label, rows, caption) {
  const greatest = Object.create(null);
  for (const { name, counts } of rows) {
    for (const [origin, count] of Object.entries({ [name]: 0, ...counts })) greatest[origin] = Math.max(greatest[origin] ?? 0, count);
  }
  const isBehind = (counts, origin) => counts === null || (counts[origin] ?? 0) < greatest[origin];
  const origins = mostTelling(Object.keys(greatest), (origin) => rows.some(({ counts }) => isBehind(counts, origin))).sort(naturalOrder);
  const shown = mostTelling(rows, ({ counts }) => origins.some((origin) => isBehind(counts, origin)));
  const leftOut = shown.length < rows.length
    && `${shown.length} of ${rows.length} nodes are shown, and writes of as many: those that differ first.`;
  const cell = (counts, origin) => {
    if (counts === null) return el("td", el("span.as-of", { title: "not known" }, "?"));
    const [count, most] = [counts[origin] ?? 0, greatest[origin]];
    if (count === most) return numeric(number(count));
    const difference = el("span.difference", `−${number(most - count)}`, el("span.visually-hidden", " behind"));
    return el("td.number.behind", `${number(count)} `, difference);
  };
  return table(label, ["Clock of", ...origins.map((origin) => [unit("writes of "), brief(origin)])],
    shown.map(({ head, counts }) => [head, ...origins.map((origin) => cell(counts, origin))]),
    shown.map(({ name }) => name), leftOut || caption);
}

/** Of many things those first that `tells` something. */
function mostTelling(all, tells) {
  if (all.length <= SHOWN_MAX) return all;
  return [...all.filter(tells), ...all.filter((each) => !tells(each))].slice(0, SHOWN_MAX);
}

export function clockTable(nodes) {
  if (nodes.every((node) => node.status === null)) return el("p.empty", "No clock has been seen yet.");
  return clocksTable("Vector clocks", nodes.map((node) => ({
    name: nameOf(node),
    head: [nameOf(node), node.state !== "connected" && node.reachedAt !== null && asOf(` as of ${moment(node.reachedAt)}`)],
    counts: node.status && byNode(node.status.clock),
  })));
}

/** Which writes are missing where, of those that every node should have applied by now. */
export function missingList(nodes, expected) {
  const known = nodes.filter((node) => node.status !== null);
  const lacking = known.map((node) => [nameOf(node), missing(node.status.clock, expected)]).filter(([, ranges]) => ranges.length > 0);
  if (known.length < 2 && lacking.length === 0) return null;
  if (lacking.length === 0) return el("p", "All clocks are equal: every node has applied the same writes.");
  return el("ul.plain", lacking.map(([name, ranges]) =>
    el("li", { "data-key": name }, el("strong", name), ` lacks ${counted(total(ranges), "write")}: `, el("code", dotsInWords(ranges)))));
}

export function nodeTable(nodes) {
  const everything = appliedAnywhere(nodes);
  const head = ["Node", "State", "Broker", "Lag", "Held", "Outbox", "Holds back history", "Wall clock", "Up for"];
  return table("Nodes", head, nodes.map((node) => nodeRow(node, nodes, everything)), nodes.map(nameOf));
}

function nodeRow(node, nodes, everything) {
  const told = nodes.filter((other) => other.state === "connected" && other !== node)
    .flatMap((other) => other.members.filter((member) => member.node === node.id));
  const most = (name) => (told.length === 0 ? null : Math.max(...told.map((member) => member[name])));
  const writes = (count) => (count === null ? null : numeric(counted(count, "write"), count > 0));
  const count = (name) => fresh && numeric(number(fresh[name]), fresh[name] > 0);
  const fresh = node.state === "connected" ? node.status : null;
  const ahead = nodes[0].members.find((member) => member.node === node.id)?.clockAheadSeconds ?? null;
  const isLink = !node.isOwn && node.url !== null;
  return [
    [isLink ? el("a", { href: `${node.url}/#cluster` }, nameOf(node)) : nameOf(node), node.isOwn && el("span.tag", "this page")],
    [stateMark(node), node.state !== "connected" && asOf(` since ${moment(node.since)}`)],
    fresh && mark(fresh.broker === "connected" ? "connected" : "unreachable", BROKERS[fresh.broker] ?? `? ${brief(fresh.broker)}`),
    writes(fresh ? total(missing(fresh.clock, everything)) : most("lagWrites")),
    count("held"),
    count("outbox"),
    writes(most("holdsBackWrites")),
    node.isOwn ? "reference" : ahead === null ? null : numeric(`${ahead < 0 ? "−" : "+"}${Math.abs(ahead).toFixed(3)} s`),
    fresh && numeric(duration(fresh.uptimeSeconds)),
  ];
}

export function limitTable(nodes) {
  const reached = nodes.filter((node) => node.state === "connected");
  if (reached.length === 0) return el("p.empty", "No node can be asked.");
  return table("Limits", ["Node", ...LIMITS.map(([label]) => label), "Limits reached"], reached.map(({ id, status }) => {
    const refused = Object.entries(status.limitsReached ?? {}).filter(([, times]) => times > 0);
    const words = refused.map(([name, times]) => `${brief(name)} (${counted(times, "time")})`);
    return [
      id,
      ...LIMITS.map(([, limit, used, text]) => fullness(status[used], status.limits[limit], text)),
      el("td", { class: words.length > 0 ? "attention" : "" }, status.limitsReached === null ? "not told" : listed(words) || "none"),
    ];
  }), reached.map(nameOf));
}

function fullness(used, limit, text) {
  return numeric([text(used), limit > 0 && unit(` of ${text(limit)}`)], limit > 0 && used / limit >= 0.8);
}
