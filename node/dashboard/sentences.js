// What the picture shows, in words, for somebody who has never seen a vector clock: who, what, and why. Pure.

import { covers, parseDot, relationOf } from "./clocks.js";
import { awaited } from "./holds.js";
import { lengthOf, nameOf, shortName, timeOfDay } from "./words.js";

/** What became of a write at a node, and why. */
export function explain(trace, dot, node) {
  const write = trace.write(dot);
  if (write === null) return `Nothing is known here of write ${dot}.`;
  const name = nameOf(write);
  const visit = write.visits.get(node);
  const lane = trace.lane(node);
  const isApplied = lane !== null && covers(lane.clock, write);
  if (visit === undefined) {
    if (node === write.origin) return explainOrigin(write, name, node);
    if (isApplied) return `${node} has applied ${name}: its clock counts it. The events here do not show when.`;
    if (!lane?.isHeard) return `No events come from ${node}, so it is not known here whether ${name} has arrived there.`;
    return `${name} has not arrived at ${node} yet, as far as its events tell.`;
  }
  if (visit.released !== null || (visit.held.length > 0 && isApplied)) return explainReleased(trace, write, node, visit);
  if (visit.held.length > 0) return explainHeld(trace, write, node, visit);
  if (visit.applied !== null) return `${node} applied ${name} as soon as it arrived: all that happened before it had been applied there.`;
  if (isApplied) return `${name} arrived at ${node}, and ${node} has applied it: its clock counts it.`;
  return `${name} has arrived at ${node}. What came of it is not among the events here.`;
}

function explainOrigin({ accepted, confirmed }, name, node) {
  if (accepted === null) return `${node} accepted ${name}: its name says so. The event itself is not among those here.`;
  const words = `${node} accepted ${name} and applied it in the same moment: for a write of its own a node waits for nobody.`;
  if (confirmed === null) return `${words} That the broker has it is not known yet.`;
  return `${words} The broker confirmed ${lengthOf(confirmed.atMs - accepted.atMs)} later that it has it.`;
}

function explainHeld(trace, write, node, visit) {
  const dot = awaited(trace.lane(node), write, visit.held.at(-1).waitsFor);
  const why = dot === null
    ? "something that happened before it is missing there"
    : `it happened after ${causeOf(trace, write, dot)}, which ${stateOfCause(trace, dot, node)}`;
  return `${node} holds ${nameOf(write)}: ${why}. Until then ${node} shows it to nobody.`;
}

function explainReleased(trace, write, node, { held: [first], released, applied }) {
  const end = released ?? applied;
  const ms = released?.heldSeconds != null ? released.heldSeconds * 1000 : first && end ? end.atMs - first.atMs : null;
  const held = `${node} held ${nameOf(write)}${ms === null ? "" : ` for ${lengthOf(ms)}`}`;
  const named = first?.waitsFor ?? null;
  if (named === null) return `${held}. What it waited for is not among the events here.`;
  const why = `it happened after ${causeOf(trace, write, named)}, which had not been applied there yet`;
  const [cause, last] = [trace.write(named), lastCause(end, write)];
  if (last !== null && last !== cause) return `${held}: ${why}. The last that it waited for was ${nameOf(last)}: applying that let it through in the same moment.`;
  return `${held}: ${why}. When ${node} applied ${cause === null ? named : shortName(cause)}, that let it through in the same moment.`;
}

// The last write that was applied at a node before a release, of those that the released write had to wait for.
function lastCause(end, write) {
  for (let entry = end?.prev ?? null; entry !== null && entry.run === end.run; entry = entry.prev) {
    if (entry.kind === "applied" && relationOf(entry.write, write) === "before") return entry.write;
  }
  return null;
}

const called = (trace, dot) => (trace.write(dot) === null ? dot : nameOf(trace.write(dot)));

// The write that is waited for, and what it is to the one that waits.
function causeOf(trace, write, dot) {
  const { replica, origin } = parseDot(dot);
  return called(trace, dot) + (replica === write.replica ? `, the write of ${origin} just before it` : "");
}

function stateOfCause(trace, dot, node) {
  const cause = trace.write(dot);
  const visit = cause?.visits.get(node);
  if (visit === undefined) return "has not arrived there yet";
  if (visit.held.length === 0 || visit.released !== null) return "has arrived there but is not applied yet";
  const next = awaited(trace.lane(node), cause, visit.held.at(-1).waitsFor);
  return `has arrived there but is held, too${next === null ? "" : `: it waits for ${called(trace, next)}`}`;
}

/** How two writes stand to each other, and which numbers in their clocks say so. */
export function explainRelation(a, b) {
  const [one, other] = [nameOf(a), nameOf(b)];
  return {
    before: () => `${one} happened before ${other}: ${counting(b, a)}.`,
    after: () => `${one} happened after ${other}: ${counting(a, b)}.`,
    concurrent: () => `${one} and ${other} are concurrent: neither clock counts the other write, so whoever wrote one had not seen the other. (${lacking(a, b)}; ${lacking(b, a)}.)`,
    same: () => `This is ${one} itself.`,
    unknown: () => `How ${one} stands to ${other} is not known: the event with its clock is not among those here.`,
  }[relationOf(a, b)]();
}

function counting(after, before) {
  if (after.replica === before.replica) return `${after.replica} counts its own writes, and these are its numbers ${before.seq} and ${after.seq}`;
  return `the clock of ${shortName(after)} counts ${after.clock.get(before.replica)} of the writes of ${before.replica}, and ${shortName(before)} is its number ${before.seq}`;
}

function lacking(write, other) {
  return `${shortName(write)} counts ${write.clock.get(other.replica) ?? 0} of ${other.replica}, and ${shortName(other)} is its number ${other.seq}`;
}

/** One event in words, with the time of its node's clock. */
export function describe(trace, entry) {
  const { kind, node, write, waitsFor, heldSeconds } = entry;
  if (entry.isInferred) return explain(trace, write.dot, node);
  const name = nameOf(write);
  const words = {
    accepted: `${node} accepted ${name}`,
    confirmed: `the broker confirmed ${name} to ${node}`,
    delivered: `${name} arrived at ${node}`,
    held: `${node} began to hold ${name}, which waits for ${waitsFor === null ? "something before it" : called(trace, waitsFor)}`,
    released: `${node} let ${name} through after holding it${heldSeconds === null ? "" : ` for ${lengthOf(heldSeconds * 1000)}`}`,
    applied: `${node} applied ${name}`,
  };
  return `${timeOfDay(entry.atMs)}: ${words[kind]}`;
}

const RELATIONS = {
  same: "It is the selected write.",
  before: "It happened before the selected write.",
  after: "It happened after the selected write.",
  concurrent: "It is concurrent with the selected write.",
  unknown: "How it stands to the selected write is not known.",
};

/** How a write stands to the selected one, as a sentence; empty when none is selected. */
export const standing = (write, selected) => (selected === null ? "" : RELATIONS[relationOf(write, selected)]);
