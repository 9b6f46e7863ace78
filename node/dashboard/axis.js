// The time axis above the lanes: times where wall time is shown, faint steps where causal order is.

import { WALL } from "./layout.js";
import { text } from "./marks.js";
import { timeOfDay } from "./words.js";

export const AXIS_PX = 24;
const STEPS_MS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 3e5, 9e5, 36e5, 216e5, 864e5];
const LABEL_PX = 110;
const STEP_PX = 12;

export function paintAxis(ctx, { palette, view, layout, height }) {
  const font = `11px ${palette.font}`;
  const isWall = layout.mode === WALL;
  const step = isWall ? (STEPS_MS.find((ms) => ms * view.scale >= LABEL_PX) ?? STEPS_MS.at(-1)) : 1;
  const base = isWall ? layout.baseMs : 0;
  const stepPx = step * view.scale;
  if (stepPx >= STEP_PX) {
    const first = Math.ceil((base + view.left) / step);
    // Counted, because a step is nothing beside a very large number: as many as there is room for.
    for (let index = 0; index <= view.width / stepPx; index += 1) {
      const at = (first + index) * step;
      const x = Math.round(view.px(at - base));
      ctx.globalAlpha = 0.5;
      ctx.fillStyle = palette.line;
      ctx.fillRect(x, AXIS_PX - 4, 1, height);
      ctx.globalAlpha = 1;
      if (isWall) text(ctx, timeOfDay(at, step < 1000), x + 4, 15, palette.soft, font);
    }
  }
  if (isWall) return;
  text(ctx, "earlier", 4, 15, palette.soft, font);
  text(ctx, "later →", view.width - 4, 15, palette.soft, font, "right");
}
