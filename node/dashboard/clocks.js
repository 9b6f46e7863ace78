// Vector clocks of writes, as Maps from replica id to how many of its writes are counted. They count writes only, so a
// write's clock names exactly what happened before it, and itself. Pure.

import { nodeOf } from "./clock.js";

const DOT = /^([A-Za-z0-9_-]{1,64})~([a-z0-9]{1,32}):([1-9][0-9]{0,14})$/;
const REPLICA = /^[A-Za-z0-9_-]{1,64}~[a-z0-9]{1,32}$/;
const ENTRIES_MAX = 10_000;

/** The parts of a dot such as node1~ab12cd:7; null when it is none. */
export function parseDot(text) {
  const match = typeof text === "string" ? DOT.exec(text) : null;
  return match && { dot: text, replica: `${match[1]}~${match[2]}`, origin: match[1], seq: Number(match[3]) };
}

/** A clock from JSON; null when it is none, or empty. */
export function parseClock(json) {
  const entries = Object.entries(json ?? {});
  const isClock = entries.every(([replica, seq]) => REPLICA.test(replica) && Number.isSafeInteger(seq) && seq >= 0);
  return isClock && entries.length > 0 && entries.length <= ENTRIES_MAX ? new Map(entries) : null;
}

/** Whether a clock counts a write. */
export const covers = (clock, { replica, seq }) => (clock.get(replica) ?? 0) >= seq;

/** Add to `clock` what `other` counts; whether anything was new. */
export function join(clock, other) {
  let isNew = false;
  for (const [replica, seq] of other) {
    if (seq <= (clock.get(replica) ?? 0)) continue;
    clock.set(replica, seq);
    isNew = true;
  }
  return isNew;
}

/** How write a stands to b: "same", "before", "after", "concurrent"; "unknown" without the clock that would tell. */
export function relationOf(a, b) {
  if (a.replica === b.replica) return a.seq === b.seq ? "same" : a.seq < b.seq ? "before" : "after";
  if (b.clock !== null && covers(b.clock, a)) return "before";
  if (a.clock !== null && covers(a.clock, b)) return "after";
  return a.clock !== null && b.clock !== null ? "concurrent" : "unknown";
}

/** The shown clock: for each of these nodes the sum over its replicas. */
export function shownClock(clock, nodes) {
  return nodes.map((node) => [...clock].reduce((sum, [replica, seq]) => (nodeOf(replica) === node ? sum + seq : sum), 0));
}
