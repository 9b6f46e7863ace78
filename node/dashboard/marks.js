// The marks of the picture, each with a shape of its own, for the legend, too. How a write stands to the selected one is told
// by lines as well, because not everybody tells colours apart: one is the past, two the future, dashes are concurrent.

const RADIUS = 5;

function stroke(ctx, colour, width) {
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.stroke();
}

function path(ctx, ...points) {
  ctx.beginPath();
  for (const [x, y] of points) ctx.lineTo(x, y);
}

function circle(ctx, x, y, radius) {
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
}

export function text(ctx, words, x, y, colour, font, align = "left") {
  ctx.font = font;
  ctx.fillStyle = colour;
  ctx.textAlign = align;
  ctx.fillText(words, x, y);
}

// Where a wait begins or ends stands its bar; on the lane itself only a foot of it.
function foot(ctx, x, y, { colour }) {
  path(ctx, [x, y - 12], [x, y - 2]);
  stroke(ctx, colour, 1.5);
}

export const MARKS = {
  accepted(ctx, x, y, { colour, paper, isInferred }) {
    const r = RADIUS + 1.5;
    path(ctx, [x, y - r], [x + r, y], [x, y + r], [x - r, y]);
    ctx.closePath();
    ctx.fillStyle = isInferred ? paper : colour;
    ctx.fill();
    if (!isInferred) return;
    ctx.setLineDash([2, 2]);
    stroke(ctx, colour, 1.5);
    ctx.setLineDash([]);
  },
  confirmed(ctx, x, y, { colour }) {
    path(ctx, [x - 3, y - 13], [x - 0.5, y - 10], [x + 4.5, y - 16]);
    stroke(ctx, colour, 1.75);
  },
  delivered(ctx, x, y, { colour }) {
    path(ctx, [x - 11, y - 5], [x - 5.5, y], [x - 11, y + 5]);
    stroke(ctx, colour, 1.75);
  },
  applied(ctx, x, y, { colour }) {
    circle(ctx, x, y, RADIUS - 0.5);
    ctx.fillStyle = colour;
    ctx.fill();
  },
  held: foot,
  released: foot,
};

/** The ring around the mark of a write that stands so to the selected one. */
export function ring(ctx, relation, x, y, colour) {
  if (!["before", "after", "concurrent"].includes(relation)) return;
  ctx.setLineDash(relation === "concurrent" ? [3, 3] : []);
  for (const radius of relation === "after" ? [9.5, 12.5] : [9.5]) {
    circle(ctx, x, y, radius);
    stroke(ctx, colour, 1.4);
  }
  ctx.setLineDash([]);
}

export function halo(ctx, x, y, colour) {
  circle(ctx, x, y, RADIUS + 9);
  ctx.globalAlpha = 0.25;
  ctx.fillStyle = colour;
  ctx.fill();
  ctx.globalAlpha = 1;
  circle(ctx, x, y, RADIUS + 5);
  stroke(ctx, colour, 2.5);
}

export function stretch(ctx, relation, from, to, y, colour) {
  if (to <= from) return;
  ctx.setLineDash(relation === "concurrent" ? [6, 5] : []);
  for (const offset of relation === "after" ? [-1.75, 1.75] : [0]) {
    path(ctx, [from, y + offset], [to, y + offset]);
    stroke(ctx, colour, { none: 1, after: 1.5 }[relation] ?? 3);
  }
  ctx.setLineDash([]);
}

/** A bar as long as a wait; `isOpen`: it goes on. */
export function bar(ctx, from, to, top, height, { held, paper, isOpen, isFaint }) {
  const end = Math.max(to, from + 2);
  ctx.save();
  ctx.globalAlpha = isFaint ? 0.45 : 1;
  ctx.fillStyle = paper;
  ctx.fillRect(from, top, end - from, height);
  path(ctx, [end, top], [from, top], [from, top + height], [end, top + height]);
  if (!isOpen) ctx.closePath();
  stroke(ctx, held, 1.5);
  ctx.clip();
  ctx.globalAlpha *= 0.4;
  ctx.beginPath();
  for (let x = from - height; x < end; x += 7) {
    ctx.moveTo(x, top + height);
    ctx.lineTo(x + height, top);
  }
  stroke(ctx, held, 1.5);
  ctx.restore();
}

export function arrow(ctx, from, to, colour, { width = 1.75, dash = [], hasHead = true } = {}) {
  ctx.setLineDash(dash);
  path(ctx, [from.x, from.y], [to.x, to.y]);
  stroke(ctx, colour, width);
  ctx.setLineDash([]);
  if (!hasHead) return;
  const angle = Math.atan2(to.y - from.y, to.x - from.x);
  const wing = (turn) => [to.x - 9 * Math.cos(angle + turn), to.y - 9 * Math.sin(angle + turn)];
  path(ctx, [to.x, to.y], wing(-0.4), wing(0.4));
  ctx.fillStyle = colour;
  ctx.fill();
}

/** Events are missing, or the process was started anew: the lane is broken. */
export function jag(ctx, x, y, colour, paper) {
  ctx.fillStyle = paper;
  ctx.fillRect(x - 6, y - 4, 12, 8);
  for (const left of [x - 6, x + 2]) {
    path(ctx, [left, y + 5], [left + 4, y - 5]);
    stroke(ctx, colour, 1.5);
  }
}
