// What was heard from one node, in the order in which it happened there. Pure.
//
// An entry is an event in its place: node, run (which start of the process), number, kind, atMs (wall clock), write,
// waitsFor, heldSeconds; prev and next on its lane; and of the layout: state, column, x.

import { firstWhere } from "./search.js";

const isUpTo = (run, number, entry) => run < entry.run || (run === entry.run && number <= entry.number);

export class Lane {
  entries = [];
  /** What this node has applied, as far as is known. */
  clock = new Map();
  isHeard = false;
  /** For the layout: stand-ins for acceptances that are not known, and the bars of held writes. */
  inferred = [];
  holds = [];
  #forgotten = null;
  #runs = new Map();
  #run = 0;

  constructor(node) {
    this.node = node;
  }

  get last() {
    return this.entries.at(-1) ?? null;
  }

  /** Its process was started anew. */
  restart() {
    if (this.last !== null) this.#run += 1;
  }

  /** The run of an event: the one that it names, or the present one. */
  runOf({ run }) {
    if (typeof run === "string") {
      if (!this.#runs.has(run)) this.#runs.set(run, this.#runs.size > 0 ? (this.#run += 1) : this.#run);
      return this.#runs.get(run);
    }
    return this.#run;
  }

  indexOf(run, number) {
    // Nearly all come at the end.
    if (this.last !== null && !isUpTo(run, number, this.last)) return this.entries.length;
    return firstWhere(this.entries, (entry) => isUpTo(run, number, entry));
  }

  /** Whether it was here and is not kept any more. */
  isForgotten(run, number) {
    return this.#forgotten !== null && isUpTo(run, number, this.#forgotten);
  }

  insert(entry, index) {
    entry.prev = this.entries[index - 1] ?? null;
    entry.next = this.entries[index] ?? null;
    if (entry.prev !== null) entry.prev.next = entry;
    if (entry.next !== null) entry.next.prev = entry;
    this.isHeard = true;
    this.entries.splice(index, 0, entry);
  }

  /** Take out the oldest entry. */
  forgetFirst() {
    const entry = this.entries.shift();
    if (entry.next !== null) entry.next.prev = null;
    entry.next = entry.prev = null;
    this.#forgotten = entry;
    return entry;
  }
}

/** How many events are missing on the lane before an entry, and whether the process was started anew there. */
export function missingBefore({ prev, run, number }) {
  const isNewRun = prev !== null && prev.run !== run;
  return { events: isNewRun || prev === null ? number - 1 : number - prev.number - 1, restart: isNewRun };
}
