// Held writes: what each waits for, and the bars that show it: which stand above which, so that those that wait at the same
// time do not cover each other. Pure.

import { covers, parseDot } from "./clocks.js";

/** The bar of a wait of which it is not known when it ended. */
const SHORT_PX = 24;

/** The event that ended the wait of a write at a node; null while it is held, and where that event is not here. */
export const endOf = ({ released, applied }) => released ?? applied;

/** Whether a node holds a write still: what its clock counts it has applied, also when no event here says so. */
export const isOpen = (lane, { start, visit }) => endOf(visit) === null && !covers(lane.clock, start.write);

/** What a held write waits for now: what its node named, or when that is applied, the next write that its clock counts. */
export function awaited({ clock }, write, named) {
  if (named !== null && !covers(clock, parseDot(named))) return named;
  // Of its own node it waits for the one before it.
  const needed = [...(write.clock ?? [])].map(([replica, seq]) => ({ replica, seq: replica === write.replica ? seq - 1 : seq }));
  const next = needed.find((each) => !covers(clock, each));
  return next === undefined ? null : `${next.replica}:${next.seq}`;
}

/** What the write of a bar waits for; when it does not wait any more, what its node named last. */
export function waitedFor(lane, hold) {
  const named = hold.visit.held.at(-1).waitsFor;
  return isOpen(lane, hold) ? awaited(lane, hold.start.write, named) : named;
}

/** Where a bar ends, in px. */
export function barEnd(scene, lane, hold) {
  const { view } = scene;
  const end = endOf(hold.visit);
  if (end !== null) return view.px(end.x);
  return isOpen(lane, hold) ? view.px(scene.nowPlace) : view.px(hold.start.x) + SHORT_PX;
}

/** Each held write has one bar, whatever it waited for in turn. */
export function addHold(lane, entry) {
  const visit = entry.write.visits.get(lane.node);
  if (visit.held[0] === entry) lane.holds.push({ start: entry, visit, level: 0 });
  stackHolds(lane);
}

/** Give each bar of a lane the lowest level that is free where it begins. */
export function stackHolds(lane) {
  lane.holds = lane.holds.filter(({ start, visit }) => visit.held[0] === start);
  lane.holds.sort(({ start: a }, { start: b }) => a.run - b.run || a.number - b.number);
  const ends = [];
  for (const hold of lane.holds) {
    const free = ends.findIndex((end) => end <= hold.start.x);
    hold.level = free === -1 ? ends.length : free;
    ends[hold.level] = isOpen(lane, hold) ? Infinity : (endOf(hold.visit) ?? hold.start).x;
  }
}
