// Where events stand along the time axis. Pure.
//
// *Causal order*: an event's column is the length of the longest chain of happened-before that leads to it, so clocks that
// are wrong cannot bend the picture. *Wall time*: its place is its node's wall clock, in ms. Where an arrival would stand
// before its sending, its lane is moved as a whole by the least that mends it; if nothing does, the event alone. Both are
// the longest path through the same graph, with different weights.

import { byName, Causes, firstCounting, stepsBetween } from "./causes.js";
import { ClockShifts } from "./clock_shifts.js";
import { covers, join } from "./clocks.js";
import { addHold, stackHolds } from "./holds.js";
import { firstWhere } from "./search.js";

export const CAUSAL = "causal";
export const WALL = "wall";
/** What comes out of order gets its exact place so much later, many at a time. */
const SETTLE_MS = 100;
const SEARCHES_MAX = 50;
const [UNPLACED, IN_PROGRESS, PLACED] = [0, 1, 2];

export const createLayout = (trace, mode = CAUSAL) => new Layout(trace, mode);

class Layout {
  #trace;
  #causes = new Causes();
  // By write: what stands for its acceptance where that event is not here.
  #inferred = new Map();
  // By node: before which column nothing may stand any more.
  #floors = new Map();
  // All writes that some known write counts.
  #counted = new Map();
  // From this column on places are not exact.
  #staleFrom = Infinity;
  #settledAt = -Infinity;
  #searches = 0;
  #filter = null;
  // With a filter: the columns that are left, which are numbered anew.
  #columns = null;
  #sourceOf = (write) => this.source(write);
  clocks = new ClockShifts();
  /** Wall time of place 0, in ms. */
  baseMs = null;
  start = 0;
  end = 0;
  /** How many were placed so far: what a test counts instead of time. */
  placed = 0;

  constructor(trace, mode) {
    this.#trace = trace;
    this.mode = mode;
    trace.observe({ added: (entry) => this.#added(entry), forgotten: (entry) => this.#forgotten(entry) });
    this.settle();
  }

  setMode(mode) {
    this.mode = mode;
    this.#floors.clear();
    for (const write of this.#trace.writes.values()) write.sourceFloor = 0;
    this.settle();
  }

  /** Leave out of the causal order columns in which no such entry stands; null: none. */
  setFilter(isShown) {
    this.#filter = isShown;
    this.settle();
  }

  /** Whether something waits for its exact place. */
  get isStale() {
    return this.#staleFrom !== Infinity;
  }

  /** The entry, real or inferred, of the acceptance of a write; null when nothing speaks of it. */
  source(write) {
    return write.accepted ?? this.#inferred.get(write) ?? null;
  }

  /** Settle what came, if it is time to, by any steady clock; whether anything was placed anew. */
  update(nowMs) {
    if (!this.isStale || nowMs - this.#settledAt < SETTLE_MS) return false;
    this.#settledAt = nowMs;
    this.settle(this.#staleFrom);
    return true;
  }

  /** Place everything exactly, now; or only what stands from this column on, when the rest has not changed. */
  settle(from = -Infinity) {
    const { lanes } = this.#trace;
    this.#staleFrom = Infinity;
    this.#searches = 0;
    this.#columns = null;
    const moved = [];
    for (const lane of lanes) {
      lane.inferred.sort(byName);
      moved.push(...lane.inferred.filter(({ column }) => column >= from));
      // Columns never fall along a lane.
      for (let entry = lane.last; entry !== null && entry.column >= from; entry = entry.prev) moved.push(entry);
    }
    for (const entry of moved) entry.state = UNPLACED;
    // The oldest first: that keeps the stack low.
    for (const entry of moved.toReversed()) this.#place(entry);
    if (this.#inferred.size > 0) this.#moveInferredCloser(moved);
    if (this.mode === CAUSAL && this.#filter !== null) this.#leaveOutColumns(lanes);
    const heard = lanes.filter((lane) => lane.last !== null);
    this.start = heard.length > 0 ? Math.min(...heard.map((lane) => lane.entries[0].x)) : 0;
    this.end = heard.length > 0 ? Math.max(...heard.map((lane) => lane.last.x)) : 0;
    for (const lane of lanes) if (lane.holds.length > 0) stackHolds(lane);
  }

  #added(entry) {
    const { write, kind } = entry;
    const lane = this.#trace.lane(entry.node);
    const standIn = this.#inferred.get(write);
    this.#noteWrite(write);
    if (write.accepted === null && standIn === undefined) this.#standIn(write);
    if (write.accepted !== null && standIn !== undefined) {
      this.#staleAt(standIn.column);
      this.#dropInferred(write);
    }
    if (this.clocks.note(entry) && this.mode === WALL) this.#staleAt(-Infinity);
    this.#place(entry);
    if (entry.next !== null) this.#staleAt(Math.min(entry.column, entry.next.column));
    // Its node may have written, afterwards, what is inferred only.
    const after = kind === "applied" ? lane.inferred[firstCounting(lane.inferred, write)] : undefined;
    if (after !== undefined) this.#staleAt(after.column);
    if (this.#filter?.(entry)) this.#staleAt(entry.column);
    if (kind === "held") addHold(lane, entry);
    this.end = Math.max(this.end, entry.x);
  }

  #staleAt(column) {
    this.#staleFrom = Math.min(this.#staleFrom, column);
  }

  #noteWrite(write) {
    if (write.isNoted || write.clock === null) return;
    write.isNoted = true;
    // Others that count it were here before it: they must stand behind it.
    if (covers(this.#counted, write) && this.#staleFrom !== -Infinity) this.#staleAt(this.#firstCounting(write));
    join(this.#counted, write.clock);
  }

  // The column of the first write that counts this one; while many come at once, searching is not worth it.
  #firstCounting(write) {
    this.#searches += 1;
    if (this.#searches > SEARCHES_MAX) return -Infinity;
    const counting = [...this.#trace.writes.values()].filter((other) => other !== write && other.clock !== null && covers(other.clock, write));
    return Math.min(...counting.map((other) => this.source(other)?.column ?? Infinity));
  }

  #forgotten(entry) {
    // Later events keep their places: the picture does not jump when old ones go.
    const { write, kind, column } = entry;
    const lane = this.#trace.lane(entry.node);
    const next = lane.entries[0];
    this.#floors.set(entry.node, column + (this.mode === WALL ? 0 : next === undefined ? 1 : stepsBetween(entry, next)));
    if (kind === "accepted") write.sourceFloor = column;
    if (write.entries === 0) this.#dropInferred(write);
    else if (kind === "accepted") this.#standIn(write, entry);
    if (lane.holds[0]?.start === entry) lane.holds.shift();
    this.start = Math.max(this.start, Math.min(...this.#trace.lanes.map(({ entries }) => entries[0]?.x ?? Infinity)));
  }

  // Something stands in for the acceptance of a write; its place is known when that event was here.
  #standIn(write, { state, column, x } = { state: UNPLACED, column: 0, x: 0 }) {
    const lane = this.#trace.lane(write.origin);
    if (lane === null) return;
    const source = { node: write.origin, kind: "accepted", isInferred: true, write, prev: null, latest: Infinity, state, column, x };
    this.#inferred.set(write, source);
    lane.inferred.push(source);
    if (state === PLACED) return;
    this.#place(source);
    this.#staleAt(source.column);
  }

  #dropInferred(write) {
    if (!this.#inferred.delete(write)) return;
    const lane = this.#trace.lane(write.origin);
    lane.inferred = lane.inferred.filter((source) => source.write !== write);
  }

  // Give an entry its column after its causes; without recursion, because chains are long.
  #place(first) {
    const { entries, steps } = this.#causes;
    const stack = [first];
    while (stack.length > 0) {
      const entry = stack.at(-1);
      const height = stack.length;
      if (entry.state !== PLACED) {
        this.#causes.find(this.#trace, this.#sourceOf, entry);
        let column = this.#ground(entry);
        for (let index = 0; index < entries.length; index += 1) {
          const cause = entries[index];
          if (cause.state === PLACED) column = Math.max(column, cause.column + (this.mode === WALL ? 0 : steps[index]));
          // What is in progress depends on this entry: only events that contradict each other do that.
          else if (cause.state === UNPLACED) stack.push(cause);
        }
        entry.state = IN_PROGRESS;
        if (stack.length > height) continue;
        this.#put(entry, column);
      }
      stack.pop();
    }
  }

  #put(entry, column) {
    entry.column = column;
    entry.x = this.#columns === null ? column : this.#compacted(column);
    entry.state = PLACED;
    this.placed += 1;
  }

  #ground(entry) {
    if (entry.isInferred) return this.mode === WALL ? this.#firstSeen(entry.write) : entry.write.sourceFloor;
    const floor = entry.prev === null ? (this.#floors.get(entry.node) ?? -Infinity) : -Infinity;
    return Math.max(floor, this.mode === WALL ? this.#wallPlace(entry) : 0);
  }

  #wallPlace(entry) {
    this.baseMs ??= entry.atMs;
    return entry.atMs + (this.clocks.shifts.get(entry.node) ?? 0) - this.baseMs;
  }

  // Nobody told when it was accepted: right before it was first seen anywhere.
  #firstSeen({ visits, confirmed }) {
    const seen = [...visits.values()].map(({ delivered, held, released, applied }) => delivered ?? held[0] ?? released ?? applied);
    const places = [...seen, confirmed].filter(Boolean).map((entry) => this.#wallPlace(entry));
    return places.length > 0 ? Math.min(...places) : 0;
  }

  // An inferred acceptance is drawn as late as what followed allows: near to where it is seen first.
  #moveInferredCloser(moved) {
    const { entries, steps } = this.#causes;
    const bound = (entry, column) => {
      this.#causes.find(this.#trace, this.#sourceOf, entry);
      entries.forEach((cause, index) => {
        if (cause.isInferred) cause.latest = Math.min(cause.latest, column - (this.mode === WALL ? 0 : steps[index]));
      });
    };
    const sources = moved.filter((entry) => entry.isInferred).sort((a, b) => b.column - a.column);
    for (const source of sources) source.latest = Infinity;
    for (const entry of moved) if (!entry.isInferred) bound(entry, entry.column);
    for (const source of sources) {
      source.x = source.latest === Infinity ? source.column : Math.max(source.column, source.latest);
      bound(source, source.x);
    }
  }

  #leaveOutColumns(lanes) {
    const all = lanes.flatMap((lane) => [...lane.entries, ...lane.inferred]);
    this.#columns = Float64Array.from(new Set(all.filter(this.#filter).map(({ column }) => column))).sort();
    for (const entry of all) entry.x = this.#compacted(entry.column);
  }

  // The place of a column among those shown, or halfway between two.
  #compacted(column) {
    const index = firstWhere(this.#columns, (other) => other >= column);
    return this.#columns[index] === column ? index : index - 0.5;
  }
}
