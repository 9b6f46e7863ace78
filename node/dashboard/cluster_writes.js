// What the cluster view shows of single writes: held ones, conflicting ones, missing ones.

import { button, el } from "./dom.js";
import { whyHeld } from "./explain.js";
import { brief, counted, duration, moment, number } from "./text.js";
import { valueView } from "./value.js";

export function heldList(nodes) {
  const holding = nodes.filter((node) => node.state === "connected" && (node.status?.held ?? 0) > 0);
  if (holding.length === 0) return el("p.empty", "No node that can be reached holds a write.");
  return holding.map((node) => {
    const { held, count } = node.buffer;
    const left = Math.max(count, node.status?.held ?? 0) - held.length;
    return el("div", { "data-key": node.id },
      el("h3", `${node.id} holds ${counted(node.status?.held ?? 0, "write")}`),
      el("ul.cards", held.map((write) =>
        el("li.card.held-write", { "data-key": write.dot },
          el("p.card-title",
            el("code", brief(write.dot)), " waits for ", el("code", brief(write.waitsFor)), el("span.age", duration(write.heldSeconds))),
          el("p", whyHeld(write, held, node.id))))),
      left > 0 && el("p.about", `${counted(left, "more write is", "more writes are")} held.`));
  });
}

export function conflictList({ node, answer, problem }, isLaterPage) {
  if (answer === null) return el("p.empty", problem ? `${node} does not say which keys hold siblings: ${problem}.` : "Asking …");
  const { conflicts, count, next } = answer;
  return [
    el("p", { class: conflicts.length > 0 ? "" : "empty" }, conflicts.length > 0
      ? `At ${node} ${counted(count, "key holds", "keys hold")} siblings.`
      : isLaterPage || next !== null ? "No key on this page holds different values." : `No key holds siblings at ${node}.`),
    el("ul.cards", conflicts.map(({ key, siblings }) =>
      el("li.card", { "data-key": key },
        el("p.card-title", el("code.key", brief(key)), el("span.age", counted(siblings.length, "value"))),
        siblingList(siblings)))),
    el("p.pager",
      isLaterPage && button("From the first key", { "data-conflicts": "first" }),
      next !== null && button("More keys", { "data-conflicts": "next" })),
  ];
}

/** The concurrent versions of a key, the one that is shown first. */
export function siblingList(siblings) {
  return el("ol.siblings", siblings.map((sibling, at) =>
    el("li", valueView(sibling.value), " ",
      el("span.origin", `written at ${brief(sibling.node)}, vc [${sibling.vc.join(", ")}]`),
      at === 0 && el("span.tag", "shown"))));
}

export function healingList(nodes) {
  const items = nodes.filter((node) => node.state === "connected").flatMap(healingOf);
  return items.length === 0 ? el("p.empty", "Nothing is missing, and nothing had to be repaired.") : el("ul.plain", items);
}

function healingOf(node) {
  const { missingWrites, healing } = node.status;
  const { askingFor, snapshot, repairs } = healing;
  const item = (key, text) => el("li", { "data-key": `${node.id} ${key}` }, el("strong", node.id), ` ${text}`);
  const asked = Object.entries(askingFor)
    .map(([replica, times]) => `those of ${brief(replica)}${times > 0 ? ` (${counted(times, "time")})` : ""}`);
  const last = repairs.at(-1);
  return [
    missingWrites > 0 && item("missing", `lacks ${counted(missingWrites, "write")} that others are known to have${asked.length > 0 ? `; it asks peers for ${asked.join(", ")}` : ""}.`),
    snapshot?.state === "taking" && item("snapshot", `takes a snapshot from ${brief(snapshot.from)}: ${counted(snapshot.parts, "part")}, ${counted(snapshot.keys, "key")} so far.`),
    snapshot?.state === "adopted" && item("snapshot", `has merged a snapshot from ${brief(snapshot.from)}: ${counted(snapshot.keys, "key")}.`),
    snapshot?.state === "refused" && item("snapshot", `refused a snapshot from ${brief(snapshot.from)}: ${brief(snapshot.reason, 200)}.`),
    !healing.nameIsSafe && item("name", "asks the others whether it has lost writes of its own; until they have answered it may take a new incarnation."),
    last !== undefined && item("repair", `last got ${counted(last.writes, "missing write")} (${brief(last.missing)}) from ${brief(last.from)} at ${moment(last.at * 1000)}${repairs.length > 1 ? `; ${number(repairs.length)} repairs are remembered` : ""}.`),
  ].filter((each) => each !== false && each !== undefined);
}

