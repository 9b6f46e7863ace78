// The graph of happened-before between events: what came directly before each. Pure.

import { covers } from "./clocks.js";
import { firstWhere } from "./search.js";

/** Pairs of events of one write that follow each other on a lane in one moment. */
const SAME_MOMENT = { delivered: ["held", "applied"], held: ["held"], released: ["applied"] };

/** How many steps an event is behind the one before it on its lane; the broker's word is no step of the node. */
export function stepsBetween(before, entry) {
  if (entry.kind === "confirmed") return 0;
  return before.write === entry.write && SAME_MOMENT[before.kind]?.includes(entry.kind) ? 0 : 1;
}

/** Filled anew for each entry, because this is done for thousands at a time. */
export class Causes {
  entries = [];
  steps = [];

  /** Find the entries directly before this one; `sourceOf(write)`: that of its acceptance, or null. */
  find(trace, sourceOf, entry) {
    this.entries.length = this.steps.length = 0;
    const { write, prev, kind } = entry;
    if (prev !== null) this.#push(prev, stepsBetween(prev, entry));
    if (kind === "accepted") this.#causesOfWrite(trace, sourceOf, entry);
    else this.#push(sourceOf(write), kind === "confirmed" ? 0 : 1);
    if (!entry.isInferred && (kind === "applied" || kind === "accepted")) this.#push(inferredBefore(trace.lane(entry.node), entry), 1);
  }

  #push(entry, steps) {
    if (entry === null) return;
    this.entries.push(entry);
    this.steps.push(steps);
  }

  // What its clock says was there when a write was accepted; it matters where events are missing.
  #causesOfWrite(trace, sourceOf, { write, node }) {
    for (const [replica, seq] of write.clock ?? []) {
      const cause = trace.latestUpTo(replica, replica === write.replica ? write.seq - 1 : seq);
      const applied = cause?.visits.get(node)?.applied ?? null;
      // Sent, arrived, then written: two steps where nothing is known of the arrival.
      if (cause !== null) this.#push(applied ?? sourceOf(cause), applied === null && cause.origin !== node ? 2 : 1);
    }
  }
}

// The last acceptance on its lane that was inferred and did not count this write yet: it stands before the entry. A node
// that lost its disk counts anew, so this holds only within one name and one start of the process.
function inferredBefore({ inferred, last }, entry) {
  if (inferred.length === 0 || entry.run !== last.run || inferred[0].write.replica !== inferred.at(-1).write.replica) return null;
  return inferred[firstCounting(inferred, entry.write) - 1] ?? null;
}

/** The index of the first of these acceptances (of one replica, by number) whose write counts this one. */
export function firstCounting(inferred, write) {
  return firstWhere(inferred, (other) => other.write === write || other.write.clock === null || covers(other.write.clock, write));
}

export function byName({ write: a }, { write: b }) {
  return a.replica === b.replica ? a.seq - b.seq : a.replica < b.replica ? -1 : 1;
}
