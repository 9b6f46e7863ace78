// Moving from event to event: by arrow keys along a lane and between lanes, and by pointing. Pure.

import { barEnd } from "./holds.js";
import { WALL } from "./layout.js";
import { barTop, between } from "./painter.js";

const [NEAR_PX, NEAR_TOUCH_PX, NEAR_LANE_PX, BAR_PX] = [13, 24, 25, 12];

/** Whether an entry has a mark of its own. */
const isMarked = ({ isShown, layout }, entry) => isShown(entry) && (entry.kind !== "confirmed" || layout.mode === WALL);

function marked(scene, { lane }) {
  const entries = [...lane.entries, ...lane.inferred].filter((entry) => isMarked(scene, entry));
  return lane.inferred.length === 0 ? entries : entries.sort((a, b) => a.x - b.x);
}

/** The entry that an arrow key leads to; `to`: left, right, up, down, first, last. Null: there is none at all. */
export function walk(scene, from, to) {
  const lanes = scene.rows.map((row) => marked(scene, row));
  const index = scene.rows.findIndex(({ lane }) => lane.node === from?.node);
  if (index === -1) return lanes.map((entries) => entries.at(-1) ?? null).reduce((best, entry) => (entry?.x > (best?.x ?? -Infinity) ? entry : best), null);
  if (to === "up" || to === "down") {
    const others = to === "up" ? lanes.slice(0, index).reverse() : lanes.slice(index + 1);
    const away = (entry) => Math.abs(entry.x - from.x);
    return others.find((entries) => entries.length > 0)?.reduce((best, entry) => (away(entry) < away(best) ? entry : best)) ?? from;
  }
  const entries = lanes[index];
  const at = entries.indexOf(from);
  return entries[{ first: 0, last: entries.length - 1, left: Math.max(at - 1, 0), right: Math.min(at + 1, entries.length - 1) }[to]] ?? from;
}

/** The entry at a point of the picture: a mark, or the bar of a held write; null where there is none. */
export function entryAt(scene, x, y, isTouch) {
  const { view, rows } = scene;
  const row = rows.find(({ top, height }) => y >= top && y < top + height);
  if (row === undefined) return null;
  const { lane } = row;
  const hold = lane.holds.find((each) => {
    const top = barTop(row.y, each.level);
    return y >= top && y <= top + BAR_PX && x >= view.px(each.start.x) && x <= barEnd(scene, lane, each) && isMarked(scene, each.start);
  });
  if (hold !== undefined) return hold.visit.held.at(-1);
  if (Math.abs(y - row.y) > NEAR_LANE_PX) return null;
  let [best, distance] = [null, isTouch ? NEAR_TOUCH_PX : NEAR_PX];
  const reach = distance;
  for (const entry of [lane.entries, lane.inferred].flatMap((entries) => between(entries, view.place(x - reach), view.place(x + reach)))) {
    const away = Math.abs(view.px(entry.x) - x);
    // Of those at one place the last one counts: what was applied rather than what arrived.
    if (away <= distance && isMarked(scene, entry)) [best, distance] = [entry, away];
  }
  return best;
}
