// A client session: what it has seen, carried from request to request and from node to node.

import { clockOf, merged, naturalOrder, nodeOf, tokenOf } from "./clock.js";
import { el } from "./dom.js";
import { brief, number } from "./text.js";

export class Session {
  clock = {};

  get token() {
    return tokenOf(this.clock);
  }

  /** The token of an answer. */
  saw(token) {
    this.clock = merged(this.clock, clockOf(token));
  }
}

/** The token, readable. */
export function tokenTable(clock) {
  const replicas = Object.keys(clock).sort(naturalOrder);
  if (replicas.length === 0) return el("p.empty", "Empty: this session has seen nothing yet, and any answer will do.");
  const head = ["Node", "Incarnation", "Writes seen"].map((text) => el("th", { scope: "col" }, text));
  return el("table.token", el("thead", el("tr", head)), el("tbody", replicas.map((replica) => {
    const node = nodeOf(replica);
    return el("tr", { "data-key": replica },
      el("th", { scope: "row" }, brief(node)), el("td", el("code", brief(replica.slice(node.length + 1)))), el("td", number(clock[replica])));
  })));
}
