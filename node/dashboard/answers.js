// What nodes answer, read with care: a member that is missing or of a wrong type is replaced and noted, never thrown.

import { brief } from "./text.js";
import { isTime } from "./words.js";

// A node has no more replicas or members to tell of; whatever is longer is no answer of a node.
const ENTRIES_MAX = 1024;
const WRONG_MAX = 20;

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isText = (value) => typeof value === "string";

// A kind reads a value: what it is, or what stands for it when it is something else, which is noted by its name.
const kind = (isRight, otherwise) => (value, note, name) => {
  if (isRight(value)) return value;
  note(name);
  return otherwise;
};
const TEXT = kind(isText, "");
const TEXT_OR_NULL = kind((value) => isText(value) || value === null, null);
const FLAG = kind((value) => typeof value === "boolean", false);
const COUNT = kind(isCount, 0);
const COUNTS = kind((value) => Array.isArray(value) && value.every(isCount), []);
const NUMBER = kind(Number.isFinite, 0);
const NUMBER_OR_NULL = kind((value) => Number.isFinite(value) || value === null, null);
const LIST = kind(Array.isArray, []);
const ANY = (value) => value;
const OBJECT = kind(isObject, {});

/** Numbers by name. */
function CLOCK(value, note, name) {
  const all = Object.entries(OBJECT(value, note, name));
  const entries = all.filter(([, count]) => Number.isFinite(count)).slice(0, ENTRIES_MAX);
  if (entries.length < all.length) note(name);
  return Object.assign(Object.create(null), Object.fromEntries(entries)); // a node may be named __proto__
}

/** What may be left out, and then is `absent`. */
const optional = (one, absent) => (value, note, name) => (value === undefined ? absent : one(value, note, name));

/** A list of values of one kind; others are left out. */
const listOf = (one, isRight = isObject) => (value, note, name) => LIST(value, note, name).slice(0, ENTRIES_MAX)
  .filter(isRight).map((each, at) => one(each, note, `${name}[${at}]`));

/** An object with these members, which get names as JavaScript has them. */
const shape = (members) => (value, note, name) => {
  const object = OBJECT(value, note, name);
  return Object.fromEntries(Object.entries(members).map(([member, one]) => [
    member.replace(/_(.)/g, (_, letter) => letter.toUpperCase()),
    one(Object.hasOwn(object, member) ? object[member] : undefined, note, name ? `${name}.${member}` : member),
  ]));
};

/** A reader of whole answers; `wrong` names what was not as it should be. */
const reader = (members) => (body) => {
  const wrong = [];
  const read = shape(members)(body, (name) => wrong.length < WRONG_MAX && wrong.push(name || "answer"), "");
  return { ...read, wrong };
};

const VERSION = { value: ANY, vc: COUNTS, node: TEXT };

/** GET /status. */
export const readStatus = reader({
  node: TEXT,
  replica: TEXT,
  cluster: TEXT,
  ready: FLAG,
  clock: CLOCK,
  held: COUNT,
  outbox: COUNT,
  broker: TEXT,
  nodes: listOf(TEXT, isText),
  uptime_seconds: NUMBER,
  waiting_requests: COUNT,
  store_used_bytes: COUNT,
  history_writes: COUNT,
  missing_writes: COUNT,
  members: listOf(shape({
    node: TEXT,
    alive: FLAG,
    away: FLAG,
    silent_seconds: NUMBER,
    lag_writes: COUNT,
    holds_back_writes: COUNT,
    clock_ahead_seconds: NUMBER_OR_NULL,
    url: TEXT_OR_NULL,
  })),
  healing: shape({
    asking_for: CLOCK,
    catching_up_writes: NUMBER,
    name_is_safe: FLAG,
    repairs: listOf(shape({ missing: TEXT, writes: COUNT, from: TEXT, at: NUMBER })),
    snapshot: (value, note, name) => (value === null ? null : shape({
      from: TEXT,
      state: TEXT,
      parts: optional(COUNT, 0),
      keys: optional(COUNT, 0),
      reason: optional(TEXT, ""),
    })(value, note, name)),
  }),
  limits: CLOCK,
  // Nodes of earlier versions tell neither.
  limits_reached: optional(CLOCK, null),
  faults_allowed: optional(FLAG, null),
  unsafe: optional(listOf(TEXT, isText), []),
});

/** GET /buffer. */
export const readBuffer = reader({
  held: listOf(shape({
    dot: TEXT,
    keys: listOf(TEXT, isText),
    held_seconds: NUMBER,
    waits_for: TEXT,
    missing: listOf(TEXT, isText),
  })),
  count: COUNT,
});

/** GET /conflicts. */
export const readConflicts = reader({
  conflicts: listOf(shape({ key: TEXT, siblings: listOf(shape(VERSION)) })),
  next: TEXT_OR_NULL,
  count: COUNT,
});

/** GET /faults. */
export const readFaults = reader({ delay: CLOCK, drop: CLOCK, duplicate: CLOCK, cut: FLAG, wall_offset: NUMBER });

/** GET /get. */
export const readFound = reader({
  ...VERSION,
  node: ANY,
  siblings: optional(listOf(shape(VERSION)), []),
  ttl: optional(NUMBER, null),
});

/** What a node answers that is behind the token: ranges of writes. */
export function readBehind(body) {
  const { missing, unknown } = reader({ missing: OBJECT, unknown: optional(listOf(TEXT, isText), []) })(body);
  const range = reader({ first: COUNT, last: COUNT });
  return { missing: Object.keys(missing).map((replica) => ({ replica: brief(replica), ...range(missing[replica]) })), unknown };
}

/** What writes are answered. */
export const readWritten = reader({ vc: COUNTS, acked: optional(TEXT, "") });

const EVENT_KINDS = new Set(["accepted", "confirmed", "delivered", "held", "released", "applied"]);

/** One event of GET /events; null when it is none. What a `confirmed` event may leave out is empty then. */
export function readEvent(data) {
  if (!isObject(data) || !EVENT_KINDS.has(data.kind)) return null;
  const mayLack = (name, isRight) => (data.kind === "confirmed" && data[name] == null) || isRight(data[name]);
  const isRight = isCount(data.number) && isTime(data.at_ms) && isCount(data.seq)
    && ["node", "dot", "replica", "origin"].every((name) => isText(data[name]))
    && mayLack("clock", (clock) => isObject(clock) && Object.values(clock).every(isCount))
    && mayLack("keys", (keys) => Array.isArray(keys) && keys.every(isText))
    && (data.kind !== "held" || isText(data.waits_for));
  if (!isRight) return null;
  return {
    ...data,
    clock: data.clock ?? {},
    vc: Array.isArray(data.vc) && data.vc.every(isCount) ? data.vc : [],
    keys: data.keys ?? [],
    keys_left_out: isCount(data.keys_left_out) ? data.keys_left_out : 0,
    operations: Array.isArray(data.operations) ? data.operations.filter(isText) : [],
  };
}
