// Mouse, pen, fingers and wheel on the picture, as what they mean.

const CLICK_PX = 5;
const LINE_PX = 20;

/** @param {object} on `point(x, y)` (null, null: gone), `choose(x, y, isTouch, isSecond)`, `move(px)`, `zoom(factor, x)` */
export function listenToPointers(canvas, on) {
  const down = new Map();
  let moved = 0;
  const at = ({ clientX, clientY }) => {
    const box = canvas.getBoundingClientRect();
    return { x: clientX - box.left, y: clientY - box.top };
  };
  const fingers = () => [...down.values()].map(({ x }) => x);
  const spread = () => Math.max(Math.abs(fingers()[0] - fingers()[1]), 10);
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (down.size === 0) moved = 0;
    down.set(event.pointerId, at(event));
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = at(event);
    const before = down.get(event.pointerId);
    if (before === undefined) {
      if (event.pointerType !== "touch") on.point(now.x, now.y);
      return;
    }
    const wasSpread = down.size === 2 ? spread() : null;
    down.set(event.pointerId, now);
    moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
    if (wasSpread !== null) on.zoom(spread() / wasSpread, (fingers()[0] + fingers()[1]) / 2);
    else if (moved > CLICK_PX) on.move(before.x - now.x);
  });
  canvas.addEventListener("pointerup", (event) => {
    const { x, y } = at(event);
    if (down.size === 1 && moved <= CLICK_PX) on.choose(x, y, event.pointerType === "touch", event.shiftKey);
    down.delete(event.pointerId);
  });
  canvas.addEventListener("pointercancel", (event) => down.delete(event.pointerId));
  canvas.addEventListener("pointerleave", () => on.point(null, null));
  canvas.addEventListener("wheel", (event) => {
    const unit = event.deltaMode === 0 ? 1 : LINE_PX;
    const sideways = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
    const isSideways = Math.abs(sideways) >= Math.abs(event.deltaY);
    // Who only scrolls the page passes by: the wheel zooms once the picture was clicked, or with Ctrl.
    if (!isSideways && !event.ctrlKey && document.activeElement !== canvas) return;
    event.preventDefault();
    if (isSideways) on.move(sideways * unit);
    else on.zoom(Math.exp(-event.deltaY * unit * 0.002), at(event).x);
  }, { passive: false });
}
