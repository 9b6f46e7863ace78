// What writes, times and lengths of time are called. Pure.

import { brief } from "./text.js";

/** The keys of a write, as "question", "a and b", "a and 3 more"; empty when they are not known. */
export function keysOf({ keys, keysLeftOut }, limit = 40) {
  const all = keys.length + keysLeftOut;
  if (keys.length === 0) return "";
  if (all === 1) return brief(keys[0], limit);
  const [one, other] = keys.map((key) => brief(key, Math.max(8, limit >> 1)));
  return `${one} and ${all === 2 && other !== undefined ? other : `${all - 1} more`}`;
}

/** What a write is called in a sentence: "answer (node2~ab12cd:2)", or "write node2~ab12cd:2" when its keys are not known. */
export function nameOf(write) {
  const keys = keysOf(write);
  return keys === "" ? `write ${write.dot}` : `${keys} (${write.dot})`;
}

/** Keys alone where they are known: for labels, and where the full name was said before. */
export const shortName = (write, limit = 24) => keysOf(write, limit) || write.dot;

/** A length of time: "0.7 ms", "730 ms", "2.4 s", "3 min 5 s", "2 h 10 min". */
export function lengthOf(milliseconds) {
  const ms = Math.max(0, milliseconds);
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  return minutes < 60 ? `${minutes} min ${Math.floor(ms / 1000) % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Whether this is a time, in ms, of which a date can be told. */
export const isTime = (value) => Number.isFinite(value) && Math.abs(value) <= 8.64e15;

const timeFormat = (fractionalSecondDigits) => new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits });
const [SECONDS, MILLISECONDS] = [timeFormat(undefined), timeFormat(3)];

/** The time of day of a wall clock, to the millisecond or to the second. */
export function timeOfDay(atMs, isExact = true) {
  const date = new Date(atMs);
  return Number.isNaN(date.getTime()) ? "an unknown time" : (isExact ? MILLISECONDS : SECONDS).format(date);
}
