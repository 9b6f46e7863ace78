// Which writes and lanes are shown. Pure.

import { brief, counted, listed } from "./text.js";

export class Filters {
  /** Only writes of which a key contains this; empty: all. */
  key = "";
  /** Nodes whose lanes are left out. */
  hidden = new Set();

  get isOn() {
    return this.key !== "" || this.hidden.size > 0;
  }

  /** Whether a write is shown; the selected one always is. */
  letsThrough(write, selected) {
    return this.key === "" || write === selected || write.keys.some((key) => key.includes(this.key));
  }

  /** What is left out: a picture with holes must say so. */
  words({ writes }) {
    const shown = () => [...writes.values()].filter((write) => this.letsThrough(write, null)).length;
    const keys = this.key === "" ? [] : [`${shown()} of ${counted(writes.size, "write")}: those with a key that contains “${brief(this.key)}”.`];
    // Events name no more.
    const isPart = this.key !== "" && [...writes.values()].some(({ keysLeftOut }) => keysLeftOut > 0);
    if (isPart) keys.push("Of writes with many keys only the first are looked at.");
    const lanes = this.hidden.size === 0 ? [] : [`Left out: the lane of ${listed([...this.hidden].sort())}; before and after are told from all.`];
    return [...keys, ...lanes];
  }
}
