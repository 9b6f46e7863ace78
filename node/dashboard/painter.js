// Draws the picture on a canvas. What is out of sight costs nothing, and what is too dense becomes ticks.

import { paintAxis } from "./axis.js";
import { nodeOf } from "./clock.js";
import { covers, relationOf } from "./clocks.js";
import { arrivalOf, paintEdges } from "./edges.js";
import { barEnd, endOf, isOpen, waitedFor } from "./holds.js";
import { missingBefore } from "./lane.js";
import { WALL } from "./layout.js";
import { bar, halo, jag, MARKS, ring, stretch, text } from "./marks.js";
import { firstWhere } from "./search.js";
import { keysOf, lengthOf, shortName } from "./words.js";

/** Where marks have less room each, there are ticks. */
const DENSE_PX = 9;
const BAR_PX = 13;
/** Bars beyond this level lie on each other. */
const LEVELS_MAX = 4;
const COLOURS = { before: "past", after: "future", concurrent: "concurrent", unknown: "soft" };
/** Ticks reach down for the past, up for the future, a little both ways for what is concurrent. */
const TICKS = { before: [0, 9], after: [-9, 0], concurrent: [-4, 4], unknown: [-2, 2], same: [-13, 13], none: [-5, 5] };

const NAMES = ["ink", "ink-soft", "panel", "line", "accent", "past", "future", "concurrent", "held", "ok"];

/** The colours and the font that are in force at an element. */
export function paletteOf(element) {
  const style = getComputedStyle(element);
  const palette = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim() || "GrayText"]));
  return { ...palette, soft: palette["ink-soft"], paper: palette.panel, font: style.fontFamily };
}

/** Paint one frame; returns how many marks were drawn. The scene is the diagram. */
export function paint(ctx, scene) {
  const { view, rows, height } = scene;
  ctx.clearRect(0, 0, view.width, height);
  ctx.lineJoin = "round";
  paintAxis(ctx, scene);
  for (const row of rows) paintLane(ctx, scene, row);
  const seen = rows.map((row) => entriesInSight(scene, row));
  paintEdges(ctx, scene, seen.flat());
  for (const row of rows) paintBars(ctx, scene, row);
  const drawn = rows.map((row, index) => paintMarks(ctx, scene, row, seen[index]));
  paintChosen(ctx, scene);
  return drawn.reduce((sum, marks) => sum + marks, 0);
}

export function between(entries, left, right) {
  const [from, to] = [left, right].map((place) => firstWhere(entries, ({ x }) => x >= place));
  return entries.slice(from, to);
}

function entriesInSight({ view, isShown }, { lane }) {
  return [lane.entries, lane.inferred].flatMap((entries) => between(entries, view.place(-15), view.place(view.width + 15)).filter(isShown));
}

function paintLane(ctx, scene, { lane, y }) {
  const { view, palette, selected, isShown } = scene;
  stretch(ctx, "none", 0, view.width, y, palette.line);
  if (!lane.isHeard && lane.inferred.length === 0) text(ctx, "no events come from here", 12, y - 8, palette.soft, `italic 11px ${palette.font}`);
  if (selected !== null) paintStretches(ctx, scene, lane, y);
  const near = between(lane.entries, view.place(-20), view.place(view.width + 20));
  // Where more events than px are in sight, a gap is not to be seen.
  if (near.length < view.width) for (const entry of near) if (isShown(entry)) paintBreak(ctx, scene, entry, y);
}

// What the author of the selected write had seen of a lane, what knows of it, and what is neither.
function paintStretches(ctx, { view, palette, selected, trace, layout }, lane, y) {
  const source = layout.source(selected)?.x;
  const isOwn = lane.node === selected.origin;
  let past = isOwn ? (source ?? -Infinity) : -Infinity;
  for (const [replica, seq] of selected.clock ?? []) {
    const write = nodeOf(replica) === lane.node && !isOwn ? trace.latestUpTo(replica, seq) : null;
    if (write !== null) past = Math.max(past, layout.source(write)?.x ?? -Infinity);
  }
  const future = isOwn ? source : knownFrom(selected, lane);
  const clip = (place) => Math.min(Math.max(view.px(place), 0), view.width);
  stretch(ctx, "before", 0, clip(past), y, palette.past);
  if (selected.clock !== null) stretch(ctx, "concurrent", clip(past), clip(future ?? Infinity), y, palette.concurrent);
  stretch(ctx, "after", clip(future ?? Infinity), view.width, y, palette.future);
}

// From where on a lane knows a write: by its application, or by what followed from it.
function knownFrom(write, lane) {
  const applied = write.visits.get(lane.node)?.applied?.x;
  if (applied !== undefined || !covers(lane.clock, write)) return applied;
  const follows = (entry) => (entry.kind === "accepted" || entry.kind === "applied") && relationOf(entry.write, write) === "after";
  const places = [lane.entries.find(follows), lane.inferred.find(follows)].map((entry) => entry?.x ?? Infinity);
  return Math.min(...places);
}

function paintBreak(ctx, { view, palette }, entry, y) {
  const { events, restart } = missingBefore(entry);
  if (events === 0 && !restart) return;
  const x = view.px(entry.x) - 22;
  const words = entry.prev === null ? "earlier ones are not here" : `${events} missing`;
  jag(ctx, x, y, palette.soft, palette.paper);
  text(ctx, restart ? "started anew" : words, x - 9, y - 6, palette.soft, `10px ${palette.font}`, "right");
}

export const barTop = (y, level) => y - 12 - (Math.min(level, LEVELS_MAX - 1) + 1) * BAR_PX;

function paintBars(ctx, scene, { lane, y }) {
  const { view, palette, selected, isShown } = scene;
  const labelled = []; // by level, how far the last label goes
  for (const hold of lane.holds) {
    const { start, level } = hold;
    const [from, to] = [Math.max(view.px(start.x), -20), Math.min(barEnd(scene, lane, hold), view.width + 20)];
    if (to < 0 || from > view.width || !isShown(start)) continue;
    const isFaint = selected !== null && selected !== start.write && selected.dot !== waitedFor(lane, hold);
    const top = barTop(y, level);
    bar(ctx, from, to, top, BAR_PX - 3, { held: palette.held, paper: palette.paper, isOpen: isOpen(lane, hold), isFaint });
    if (level >= LEVELS_MAX) continue;
    labelled[level] = paintBarLabel(ctx, scene, lane, hold, top, Math.max(from, 0), Math.min(to, view.width), labelled[level] ?? -Infinity);
  }
}

function barWords({ trace, nowAt }, lane, hold) {
  const { start, visit } = hold;
  const [dot, end] = [waitedFor(lane, hold), endOf(visit)];
  const cause = dot === null ? null : trace.write(dot);
  const what = cause === null ? (dot ?? "what was before it") : shortName(cause, 20);
  if (isOpen(lane, hold)) return `waits for ${what} · ${lengthOf(nowAt(lane.node) - start.atMs)}`;
  if (end === null) return "held; its end is not among the events";
  return `waited ${lengthOf(visit.released?.heldSeconds != null ? visit.released.heldSeconds * 1000 : end.atMs - start.atMs)} for ${what}`;
}

// Returns where the last label ends on this level.
function paintBarLabel(ctx, scene, lane, hold, top, from, to, labelled) {
  const { palette, selected, view } = scene;
  const words = barWords(scene, lane, hold);
  ctx.font = `600 10px ${palette.font}`;
  const width = ctx.measureText(words).width;
  // What is held now, or selected, is labelled in any case; what has no end, where the label before leaves room.
  const isLabelled = isOpen(lane, hold) || hold.start.write === selected || (endOf(hold.visit) === null ? from > labelled : to - from >= width + 8);
  if (!isLabelled) return labelled;
  const x = Math.max(0, Math.min(from + 5, view.width - width - 6));
  ctx.fillStyle = palette.paper;
  ctx.fillRect(x - 2, top + 1, width + 4, BAR_PX - 5);
  text(ctx, words, x, top + BAR_PX - 5, palette.held, ctx.font);
  return x + width;
}

function paintMarks(ctx, scene, { y }, entries) {
  const { view, layout } = scene;
  if (entries.length * DENSE_PX > view.width) return paintTicks(ctx, scene, y, entries);
  // In causal order the broker's word has no place of its own: it is a part of the write's mark.
  const marked = entries.filter(({ kind }) => kind !== "confirmed" || layout.mode === WALL);
  let labelled = -Infinity;
  for (const entry of marked) {
    paintMark(ctx, scene, entry, view.px(entry.x), y);
    if (entry.kind === "accepted") labelled = paintLabel(ctx, scene, entry.write, view.px(entry.x), y + 24, labelled);
  }
  return marked.length;
}

function paintMark(ctx, { palette, selected, layout }, { kind, write, isInferred }, x, y) {
  const relation = selected === null ? "none" : relationOf(write, selected);
  const own = { accepted: "accent", confirmed: "ok", held: "held", released: "held" }[kind];
  const colour = palette[kind === "held" || kind === "released" ? own : (COLOURS[relation] ?? own ?? "ink")];
  MARKS[kind](ctx, x, y, { colour, paper: palette.paper, isInferred });
  if (kind === "accepted" && write.confirmed !== null && layout.mode !== WALL) MARKS.confirmed(ctx, x, y, { colour: palette.ok });
  if (kind === "accepted" || kind === "applied") ring(ctx, relation, x, y, colour);
}

// The keys of a write, if there is room behind the label before; returns where the last one ends.
function paintLabel(ctx, { palette, selected }, write, x, y, labelled) {
  const words = keysOf(write, 14);
  ctx.font = `11px ${palette.font}`;
  const half = ctx.measureText(words).width / 2;
  if (words === "" || x - half < labelled + 8) return labelled;
  text(ctx, words, x, y, write === selected ? palette.ink : palette.soft, ctx.font, "center");
  return x + half;
}

// Where marks would cover each other: a tick for each px.
function paintTicks(ctx, { view, palette, selected }, y, entries) {
  const places = { before: [], after: [], concurrent: [], unknown: [], same: [], none: [] };
  for (const entry of entries) {
    const found = places[selected === null ? "none" : relationOf(entry.write, selected)];
    const px = Math.round(view.px(entry.x));
    if (found.at(-1) !== px) found.push(px);
  }
  let drawn = 0;
  for (const [relation, found] of Object.entries(places)) {
    const [top, bottom] = TICKS[relation];
    ctx.fillStyle = palette[COLOURS[relation] ?? (relation === "same" ? "accent" : "ink")];
    for (const px of found) ctx.fillRect(px - 0.5, y + top, 1, bottom - top);
    drawn += found.length;
  }
  return drawn;
}

function paintChosen(ctx, { view, palette, rows, selected, compared, focused, hovered, layout, canvas }) {
  const at = (entry) => ({ x: view.px(entry?.x), y: rows.find(({ lane }) => lane.node === entry?.node)?.y });
  for (const [write, colour] of [[compared, palette.soft], [selected, palette.accent]]) {
    const applied = [...(write?.visits.values() ?? [])].map((visit) => visit.applied ?? arrivalOf(visit));
    for (const entry of write === null ? [] : [layout.source(write), ...applied]) {
      const { x, y } = at(entry);
      if (y === undefined) continue;
      if (entry.kind === "applied" || entry.kind === "accepted") halo(ctx, x, y, colour);
      MARKS[entry.kind](ctx, x, y, { colour, paper: palette.paper, isInferred: entry.isInferred });
    }
  }
  for (const entry of [hovered, document.activeElement === canvas ? focused : null]) {
    const { x, y } = at(entry);
    if (y === undefined) continue;
    [ctx.strokeStyle, ctx.lineWidth] = entry === focused ? [palette.ink, 2] : [palette.soft, 1];
    ctx.strokeRect(x - 14, y - 14, 28, 28);
  }
}
