// Texts and numbers as people read them. What comes from outside may be hostile: characters that are not seen, or that turn
// the text around them, are written out, and what is long is shortened.

const KEY_CHARACTERS_MAX = 80;

// Control and format characters (among them bidirectional controls and tags), line and paragraph separators, halves of
// surrogate pairs, private use, blanks that are no space, and letters that look like nothing; but not within an emoji.
const UNSEEN = /(\p{Extended_Pictographic}\ufe0f?(?:\u200d\p{Extended_Pictographic}\ufe0f?)*)|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]|(?! )\p{Zs}|[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\u{e0100}-\u{e01ef}]/gu;
// More marks on one letter than any language needs would cover the lines around it.
const MANY_MARKS = /(\p{M}{4})\p{M}+/gu;

function writtenOut(character) {
  return [...Array(character.length).keys()].map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`).join("");
}

/** A text in which everything can be seen. */
export function visible(text) {
  return text.replace(UNSEEN, (unseen, emoji) => emoji ?? writtenOut(unseen)).replace(MANY_MARKS, "$1…");
}

/** The beginning of a text, and how many characters are left out. */
export function shortened(text, charactersMax) {
  const end = endWithin(text, charactersMax);
  const leftOut = text.length - end;
  return { text: visible(text.slice(0, end)) + (leftOut > 0 ? "…" : ""), leftOut };
}

// Half of a pair would be written out.
function endWithin(text, charactersMax) {
  if (text.length <= charactersMax) return text.length;
  return /[\ud800-\udbff]/.test(text[charactersMax - 1]) ? charactersMax - 1 : charactersMax;
}

/** The beginning of a text, whose lines stay lines, and how much is left out. */
export function shortenedLines(text, charactersMax) {
  const end = endWithin(text, charactersMax);
  const lines = text.slice(0, end).split("\n").map(visible).join("\n");
  return end === text.length ? lines : `${lines}… ${counted(text.length - end, "more character")}`;
}

/** A text of others within a sentence. */
export function brief(text, charactersMax = KEY_CHARACTERS_MAX) {
  return shortened(String(text), charactersMax).text;
}

/** A JSON value as text, word for word where the browser kept it. */
export function jsonText(value) {
  if (value instanceof ExactNumber) return value.source;
  if (Array.isArray(value)) return `[${value.map(jsonText).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    return `{${Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}: ${jsonText(member)}`).join(", ")}}`;
  }
  return JSON.stringify(value) ?? "nothing";
}

/** A number that JavaScript would change: 1.0, or one with more digits than it keeps. */
export class ExactNumber {
  constructor(source) {
    this.source = source;
  }
}

/** JSON with its numbers word for word, where the browser tells how they were written. Throws SyntaxError. */
export function parseExactly(text) {
  return JSON.parse(text, (_name, value, context) => {
    const source = context?.source ?? String(value);
    return typeof value === "number" && source !== String(value) ? new ExactNumber(source) : value;
  });
}

const NUMBER = new Intl.NumberFormat("en", { useGrouping: "min2" });

/** 12 345. */
export function number(count) {
  return NUMBER.format(count).replaceAll(",", "\u202f");
}

/** "1 write", "2 writes". */
export function counted(count, one, several = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : several}`;
}

/** A duration in a unit that suits it. */
export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

/** A moment of today by the clock, another one with its date. */
export function moment(milliseconds) {
  const when = new Date(milliseconds);
  if (Number.isNaN(when.getTime())) return "at an unknown time";
  const time = when.toLocaleTimeString("en-GB");
  return when.toDateString() === new Date().toDateString() ? time : `${when.toLocaleDateString("sv")} ${time}`;
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];

export function bytes(count) {
  let unit = 0;
  let left = count;
  for (; left >= 1024 && unit < UNITS.length - 1; unit += 1) left /= 1024;
  return `${unit === 0 || left >= 100 ? Math.round(left) : left.toFixed(1)} ${UNITS[unit]}`;
}

/** "a", "a and b", "a, b and c". */
export function listed(parts) {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}
