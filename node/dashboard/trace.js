// The model of the picture: which writes were heard of, and what happened to each at each node. Pure. Events come from
// several nodes, so in any order between nodes; some come twice, some never.

import { naturalOrder } from "./clock.js";
import { covers, join, parseClock, parseDot, relationOf } from "./clocks.js";
import { Lane } from "./lane.js";
import { firstWhere } from "./search.js";
import { explain } from "./sentences.js";
import { isTime } from "./words.js";

const KINDS = ["accepted", "confirmed", "delivered", "held", "released", "applied"];
const NODE_ID = /^[A-Za-z0-9_-]{1,64}$/;
const KEYS_MAX = 16;
/** Events of further nodes are counted as malformed. */
const LANES_MAX = 256;

/** A trace of the last `maxEvents` events; the longest lane gives way first, so that no node silences another. */
export const createTrace = ({ maxEvents = 10_000 } = {}) => new Trace(maxEvents);

const firstAbove = (writes, seq) => firstWhere(writes, (write) => write.seq > seq);

class Trace {
  /** The writes that were heard of, by dot. */
  writes = new Map();
  size = 0;
  doubled = 0;
  malformed = 0;
  forgotten = 0;
  version = 0;
  #lanes = new Map();
  #ordered = null;
  #byReplica = new Map();
  #observers = [];

  constructor(maxEvents) {
    this.maxEvents = maxEvents;
  }

  /** Be told of entries: `{added(entry), forgotten(entry)}`. */
  observe(observer) {
    this.#observers.push(observer);
  }

  get lanes() {
    this.#ordered ??= [...this.#lanes.values()].sort((a, b) => naturalOrder(a.node, b.node));
    return this.#ordered;
  }

  lane(node) {
    return this.#lanes.get(node) ?? null;
  }

  write(dot) {
    return this.writes.get(dot) ?? null;
  }

  /** Take an event in; false when it was known already, is too old, or makes no sense. */
  add(event) {
    const read = readEvent(event);
    const lane = read && this.#laneFor(read.entry.node);
    if (!lane) {
      this.malformed += 1;
      return false;
    }
    const { number } = read.entry;
    const run = lane.runOf(event);
    const index = lane.indexOf(run, number);
    const standing = lane.entries[index];
    if ((standing?.run === run && standing.number === number) || lane.isForgotten(run, number)) {
      this.doubled += 1;
      return false;
    }
    const entry = { ...read.entry, run, write: this.#writeFor(read), prev: null, next: null, isInferred: false, state: 0, column: 0, x: 0 };
    lane.insert(entry, index);
    this.#note(entry, lane);
    this.size += 1;
    this.version += 1;
    for (const observer of this.#observers) observer.added(entry);
    while (this.size > this.maxEvents) this.#forgetOne();
    return true;
  }

  /** Some events of a node will not come. Their numbers tell how many; null: its process was started anew. */
  gap({ node, dropped }) {
    if (dropped === null) this.#laneFor(node)?.restart();
  }

  /** These nodes are members: each has a lane, whether anything is heard of it or not. */
  setNodes(nodes) {
    for (const node of nodes) this.#laneFor(node);
  }

  learnClock(node, json) {
    const clock = parseClock(json);
    const lane = clock && this.#laneFor(node);
    if (lane && join(lane.clock, clock)) this.version += 1;
  }

  relation(dotA, dotB) {
    const [a, b] = [dotA, dotB].map((dot) => this.write(dot) ?? { ...parseDot(dot), clock: null });
    return relationOf(a, b);
  }

  /** The known writes that happened before this one. */
  past(dot) {
    return this.#related(dot, "before");
  }

  future(dot) {
    return this.#related(dot, "after");
  }

  concurrent(dot) {
    return this.#related(dot, "concurrent");
  }

  explain(dot, node) {
    return explain(this, dot, node);
  }

  /** The known write with the greatest number up to `seq`; null: none. */
  latestUpTo(replica, seq) {
    const writes = this.#byReplica.get(replica) ?? [];
    return writes[firstAbove(writes, seq) - 1] ?? null;
  }

  #related(dot, relation) {
    const write = this.write(dot);
    return [...this.writes.values()].filter((other) => write !== null && relationOf(other, write) === relation).map((other) => other.dot);
  }

  #laneFor(node) {
    if (!this.#lanes.has(node)) {
      if (typeof node !== "string" || !NODE_ID.test(node) || this.#lanes.size >= LANES_MAX) return null;
      this.#lanes.set(node, new Lane(node));
      this.#ordered = null;
      this.version += 1;
    }
    return this.#lanes.get(node);
  }

  #writeFor({ name, clock, about }) {
    let write = this.write(name.dot);
    // Its node has a lane, also when nothing is heard from there.
    const origin = this.#laneFor(name.origin);
    if (write === null) {
      // visits: what happened to it at other nodes. For the layout: sourceFloor, where its acceptance was that is forgotten.
      write = { ...name, clock: null, keys: [], keysLeftOut: 0, operations: [], accepted: null, confirmed: null, visits: new Map(), entries: 0, sourceFloor: 0, isNoted: false };
      this.writes.set(write.dot, write);
      if (!this.#byReplica.has(write.replica)) this.#byReplica.set(write.replica, []);
      const writes = this.#byReplica.get(write.replica);
      writes.splice(firstAbove(writes, write.seq), 0, write);
    }
    if (write.clock === null && clock !== null) {
      write.clock = clock;
      // Whoever wrote it had applied what it counts.
      if (origin !== null) join(origin.clock, clock);
    }
    if (write.keys.length === 0) Object.assign(write, about);
    return write;
  }

  #note(entry, lane) {
    const { kind, write, node, waitsFor } = entry;
    write.entries += 1;
    if (kind === "accepted" || kind === "confirmed") {
      write[kind] ??= entry;
      return;
    }
    const visit = write.visits.get(node) ?? { delivered: null, held: [], released: null, applied: null };
    write.visits.set(node, visit);
    if (kind === "held") visit.held.push(entry);
    else visit[kind] ??= entry;
    if (kind === "applied" && write.clock !== null) join(lane.clock, write.clock);
    if (waitsFor !== null) this.#laneFor(parseDot(waitsFor).origin);
  }

  #forgetOne() {
    const lane = this.lanes.reduce((longest, other) => (other.entries.length > longest.entries.length ? other : longest));
    const entry = lane.forgetFirst();
    const { kind, write } = entry;
    const visit = write.visits.get(entry.node);
    this.size -= 1;
    this.forgotten += 1;
    write.entries -= 1;
    for (const holder of [write, visit]) if (holder?.[kind] === entry) holder[kind] = null;
    if (kind === "held") visit.held = visit.held.filter((held) => held !== entry);
    if (visit && visit.held.length === 0 && !(visit.delivered || visit.released || visit.applied)) write.visits.delete(entry.node);
    if (write.entries === 0) {
      this.writes.delete(write.dot);
      const writes = this.#byReplica.get(write.replica);
      writes.splice(firstAbove(writes, write.seq) - 1, 1);
      if (writes.length === 0) this.#byReplica.delete(write.replica);
    }
    for (const observer of this.#observers) observer.forgotten(entry);
  }
}

// An event from a node, checked; null when it is none.
function readEvent(event) {
  const { node, number, kind, dot, at_ms: atMs, waits_for: waitsFor = null, held_seconds: held } = event ?? {};
  const name = parseDot(dot);
  const clock = parseClock(event?.clock);
  const isOwn = kind === "accepted" || kind === "confirmed";
  const isEvent = name !== null && NODE_ID.test(node) && typeof node === "string" && KINDS.includes(kind)
    && Number.isSafeInteger(number) && number > 0 && isTime(atMs)
    && (waitsFor === null || parseDot(waitsFor) !== null)
    // Only the node of its name accepts a write, and hears from the broker that it has it.
    && (!isOwn || name.origin === node)
    && (clock === null ? Object.keys(event.clock ?? {}).length === 0 : covers(clock, name));
  if (!isEvent) return null;
  const keysLeftOut = Number.isSafeInteger(event.keys_left_out) && event.keys_left_out > 0 ? event.keys_left_out : 0;
  const heldSeconds = Number.isFinite(held) && held >= 0 ? held : null;
  const about = { keys: texts(event.keys), keysLeftOut, operations: texts(event.operations) };
  return { name, clock, about, entry: { node, number, kind, atMs, waitsFor, heldSeconds } };
}

function texts(value) {
  return Array.isArray(value) ? value.filter((text) => typeof text === "string").slice(0, KEYS_MAX) : [];
}
