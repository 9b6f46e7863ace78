// What must be said with the picture, lest it be read wrongly.

import { shownClock } from "./clocks.js";
import { el, show } from "./dom.js";
import { missingBefore } from "./lane.js";
import { WALL } from "./layout.js";
import { counted, listed } from "./text.js";
import { lengthOf } from "./words.js";

const SKEWS_MAX = 3;

/** How much is shown, what is left out, what left and right mean, and where clocks disagree. */
export function pictureWords(trace, { mode, clocks: { behind, shifts } }, filters) {
  const { size, writes, forgotten, malformed } = trace;
  const parts = [`${counted(size, "event")} of ${counted(writes.size, "write")}.`, ...filters.words(trace)];
  if (mode === WALL) {
    parts.push("Placed by the wall clocks of the nodes, which differ: a little more to the left or right means nothing.");
    for (const { node, other, ms } of behind.slice(0, SKEWS_MAX)) parts.push(`The clock of ${node} is at least ${lengthOf(ms)} behind that of ${other}.`);
    const late = [...shifts].filter(([, ms]) => ms > 0).map(([node]) => node);
    if (late.length > 0) parts.push(`So that no arrival stands before its sending, what happened at ${listed(late)} is drawn that much later.`);
    else if (behind.length > 0) parts.push("A clock was set meanwhile: what is drawn later than it says stands so that no arrival is before its sending.");
  } else {
    parts.push("What stands further right came later only where lanes and arrows lead there. No clock is read.");
  }
  for (const { node, entries } of trace.lanes) parts.push(...gapsInWords(node, entries));
  if (forgotten > 0) parts.push(`The oldest ${counted(forgotten, "event")} are not kept.`);
  if (malformed > 0) parts.push(`${counted(malformed, "event")} made no sense and ${malformed === 1 ? "is" : "are"} left out.`);
  return parts.join(" ");
}

function gapsInWords(node, entries) {
  let [missing, restarts] = [0, 0];
  for (const { prev, run, number } of entries) {
    // What was before the first one that is here is no gap: every picture begins somewhere.
    if (prev === null || (prev.run === run && prev.number + 1 === number)) continue;
    const { events, restart } = missingBefore({ prev, run, number });
    missing += events;
    restarts += Number(restart);
  }
  return [
    ...(missing > 0 ? [`${counted(missing, "event")} of ${node} ${missing === 1 ? "is" : "are"} missing.`] : []),
    ...(restarts > 0 ? [`${node} was started anew${restarts > 1 ? ` ${restarts} times` : ""}.`] : []),
  ];
}

/** The names of the lanes, with what each node has applied, and whether it is reached; `states` from the feed. */
export function laneLabels(element, { rows, trace, height }, states) {
  const nodes = trace.lanes.map(({ node }) => node);
  element.style.height = `${height}px`;
  show(element, ...rows.map(({ lane: { node, clock } }) => {
    const state = states.get(node);
    return el("div", { class: "cd-label", "data-key": node }, el("strong", {}, node),
      el("small", { title: "How many writes of each node it has applied" }, `[${shownClock(clock, nodes).join(", ")}]`),
      (state === "unreachable" || state === "unknown") && el("small", { class: "cd-away" }, `✕ ${state}`));
  }));
}
