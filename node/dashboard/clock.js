// Vector clocks, causal tokens and dots, as values. A clock is an object from replica id to number of writes.

const REPLICA = /^[A-Za-z0-9_-]{1,64}~[A-Za-z0-9]{1,64}$/;

/** The node that a replica id, or a dot, belongs to. */
export function nodeOf(name) {
  return name.split("~", 1)[0];
}

/** node2 before node10, as the nodes themselves order them. */
export function naturalOrder(one, other) {
  const [parts, others] = [one, other].map((name) => name.split(/(\d+)/).filter(Boolean));
  for (let at = 0; at < Math.min(parts.length, others.length); at += 1) {
    const [part, against] = [parts[at], others[at]];
    const [isNumber, isNumberToo] = [/\d/.test(part), /\d/.test(against)];
    if (isNumber !== isNumberToo) return isNumber ? -1 : 1;
    const difference = isNumber ? Number(part) - Number(against) : part < against ? -1 : part > against ? 1 : 0;
    if (difference !== 0) return difference;
  }
  return parts.length - others.length || (one < other ? -1 : one > other ? 1 : 0);
}

/** The clock that a token such as `node1~t5k2m1=3,node2~t5k2m4=1` means; entries that cannot be read are left out. */
export function clockOf(token) {
  const clock = {};
  for (const entry of (token ?? "").split(",")) {
    const [replica, count, ...more] = entry.trim().split("=");
    if (more.length === 0 && REPLICA.test(replica) && /^[1-9][0-9]{0,18}$/.test(count ?? "")) clock[replica] = Number(count);
  }
  return clock;
}

/** The token for a clock. */
export function tokenOf(clock) {
  return Object.keys(clock).sort().map((replica) => `${replica}=${clock[replica]}`).join(",");
}

/** Entry by entry the greater number. */
export function merged(...clocks) {
  const result = {};
  for (const clock of clocks) {
    for (const [replica, count] of Object.entries(clock)) result[replica] = Math.max(result[replica] ?? 0, count);
  }
  return result;
}

/** Whether everything that `part` counts is counted by `whole` as well. */
export function covers(whole, part) {
  return Object.entries(part).every(([replica, count]) => (whole[replica] ?? 0) >= count);
}

/** The writes that `ahead` counts and `behind` does not. */
export function missing(behind, ahead) {
  return Object.keys(ahead).sort(naturalOrder)
    .filter((replica) => ahead[replica] > (behind[replica] ?? 0))
    .map((replica) => ({ replica, first: (behind[replica] ?? 0) + 1, last: ahead[replica] }));
}

/** How many writes these are. */
export function total(ranges) {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

/** A node's numbers, its incarnations added up. */
export function byNode(clock) {
  const counts = Object.create(null); // a node may be named __proto__
  for (const replica of Object.keys(clock).sort()) counts[nodeOf(replica)] = (counts[nodeOf(replica)] ?? 0) + clock[replica];
  return counts;
}

/** `node1~t5k2m1:3`, or `node1~t5k2m1:3–5`. */
export function dots({ replica, first, last }) {
  return first === last ? `${replica}:${first}` : `${replica}:${first}–${last}`;
}

/** Replica and number of a dot; null for what is none. */
export function parsedDot(dot) {
  const at = dot.lastIndexOf(":");
  const [replica, seq] = [dot.slice(0, at), Number(dot.slice(at + 1))];
  return at > 0 && Number.isSafeInteger(seq) && seq > 0 ? { replica, seq } : null;
}
