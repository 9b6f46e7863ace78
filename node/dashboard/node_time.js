// What time it is by the clocks of the nodes: the latest that was heard of each, and what has passed since. Pure.

import { isTime } from "./words.js";

/** A stream begins with what its node kept: so long after its greeting that is over, and events tell what time it is. */
const BACKLOG_MS = 10_000;
/** Of further nodes no time is kept. */
const NODES_MAX = 256;

export class NodeTime {
  // By node: its wall clock was at `atMs` when a steady clock here was at `heardAt`.
  #latest = new Map();
  #greetedAt = new Map();
  #stoppedAt = null;

  /** A stream begins, and its node says what time it is: whatever was heard before, its clock may have been set meanwhile. */
  greet(node, atMs, heardAt) {
    if (this.#set(node, atMs, heardAt)) this.#greetedAt.set(node, heardAt);
  }

  /** Something happened at a node at `atMs`. It may be long ago; later on it is not, and then counts, also when it is earlier. */
  hear(node, atMs, heardAt) {
    const isLive = heardAt - (this.#greetedAt.get(node) ?? Infinity) > BACKLOG_MS;
    if (isLive || !this.#latest.has(node) || atMs > this.at(heardAt, node)) this.#set(node, atMs, heardAt);
  }

  /** Time stands still from now on, whatever is heard; or goes on. */
  stop(isStopped, now) {
    this.#stoppedAt = isStopped ? (this.#stoppedAt ?? now) : null;
  }

  /** By the clock of a node if that is known; else, and without a node, by the one that is ahead of all. */
  at(now, node) {
    const known = this.#latest.has(node) ? [this.#latest.get(node)] : [...this.#latest.values()];
    return Math.max(...known.map(({ atMs, heardAt }) => atMs + (this.#stoppedAt ?? now) - heardAt));
  }

  // Whether it counts.
  #set(node, atMs, heardAt) {
    const isKept = typeof node === "string" && (this.#latest.has(node) || this.#latest.size < NODES_MAX);
    if (this.#stoppedAt !== null || !isKept || !isTime(atMs)) return false;
    this.#latest.set(node, { atMs, heardAt });
    return true;
  }
}
