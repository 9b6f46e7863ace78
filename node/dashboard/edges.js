// The ways of writes from the lane of their node to the others.

import { waitedFor } from "./holds.js";
import { arrow, text } from "./marks.js";

/** All arrivals are joined to their sendings while no more entries than this are in sight. */
const FAINT_MAX = 160;

/** The first that is known of a write at a node. */
export const arrivalOf = ({ delivered, held, released, applied }) => delivered ?? held[0] ?? released ?? applied;

/** `seen`: the entries in sight. */
export function paintEdges(ctx, scene, seen) {
  const { hovered, compared, selected } = scene;
  const isArrival = (entry) => {
    const visit = entry.write.visits.get(entry.node);
    return visit !== undefined && arrivalOf(visit) === entry;
  };
  if (seen.length <= FAINT_MAX) for (const entry of seen.filter(isArrival)) paintEdge(ctx, scene, entry, true);
  for (const write of [hovered?.write, compared, selected]) {
    for (const visit of write?.visits.values() ?? []) paintEdge(ctx, scene, arrivalOf(visit), write !== selected && write !== compared);
  }
  for (const [node, visit] of selected?.visits ?? []) {
    if (visit.held.length === 0) continue;
    const dot = waitedFor(scene.trace.lane(node), { start: visit.held[0], visit });
    if (dot !== null) paintAwaited(ctx, scene, node, dot);
  }
}

const rowOf = ({ rows }, node) => rows.find(({ lane }) => lane.node === node);

function paintEdge(ctx, scene, entry, isFaint) {
  const { layout, view, palette, selected, compared } = scene;
  const source = layout.source(entry.write);
  const row = rowOf(scene, entry.node);
  if (source === null || row === undefined) return;
  const to = { x: view.px(entry.x) - 6, y: row.y };
  const origin = rowOf(scene, source.node);
  // From a lane that is left out it comes in from above.
  const from = origin === undefined ? { x: to.x - 18, y: row.y - 26 } : { x: view.px(source.x), y: origin.y };
  const colour = { [selected?.dot]: palette.accent, [compared?.dot]: palette.ink }[entry.write.dot] ?? palette.soft;
  ctx.globalAlpha = !isFaint ? 1 : selected === null ? 0.5 : 0.22;
  arrow(ctx, from, to, colour, { width: isFaint ? 1 : 2, hasHead: !isFaint, dash: source.isInferred ? [2, 4] : [] });
  ctx.globalAlpha = 1;
}

// What a held write waits for: its way to the same lane, or that it has not come.
function paintAwaited(ctx, scene, node, dot) {
  const { trace, layout, view, palette, nowPlace } = scene;
  const cause = trace.write(dot);
  const source = cause === null ? null : layout.source(cause);
  const [row, origin] = [rowOf(scene, node), rowOf(scene, source?.node)];
  if (row === undefined || origin === undefined) return;
  const visit = cause.visits.get(node);
  const from = { x: view.px(source.x), y: origin.y };
  const end = visit === undefined ? view.px(nowPlace) : view.px(arrivalOf(visit).x) - 6;
  const to = { x: Math.max(end, from.x + 20), y: row.y + (visit === undefined ? Math.sign(origin.y - row.y) * 16 : 0) };
  arrow(ctx, from, to, palette.held, { dash: [7, 4], hasHead: visit !== undefined });
  if (visit === undefined) text(ctx, "?", to.x + 8, to.y + 5, palette.held, `bold 14px ${palette.font}`, "center");
}
