// The diagram without the rest of the dashboard: its feed is a plain list of listeners, which tests speak to.

import { mountDiagram } from "./dashboard/diagram.js";
import { createTrace } from "./dashboard/trace.js";

const listeners = { event: [], gap: [], nodes: [], hello: [] };
window.feed = {
  nodes: [],
  on(name, listener) {
    listeners[name].push(listener);
    return () => listeners[name].splice(listeners[name].indexOf(listener), 1);
  },
  say(name, detail) {
    for (const listener of listeners[name]) listener(detail);
  },
};

// The theme follows the system, as on the page.
const dark = matchMedia("(prefers-color-scheme: dark)");
const dress = () => {
  document.documentElement.dataset.theme = dark.matches ? "dark" : "light";
  document.dispatchEvent(new Event("themechange"));
};
dark.addEventListener("change", dress);
dress();

window.trace = createTrace();
const diagram = mountDiagram(document.getElementById("picture"), { trace: window.trace, feed: window.feed });
window.diagram = diagram;

/** Figures of the diagram's work, and what is in sight. */
window.stats = () => ({
  frames: diagram.frames,
  drawn: diagram.drawn,
  frameMs: diagram.frameMs,
  placed: diagram.layout.placed,
  waiting: diagram.waiting.length,
  scale: diagram.view.scale,
  left: diagram.view.left,
  follows: diagram.view.follows,
  isSettled: !diagram.isDirty && (diagram.isPaused || !diagram.layout.isStale),
});

/** Where the mark of a write at a node stands on the page, in CSS px; null when it has none. */
window.placeOf = (dot, node) => {
  const write = window.trace.write(dot);
  const { applied, held = [], delivered } = write?.visits.get(node) ?? {};
  const entry = write?.origin === node ? diagram.layout.source(write) : (applied ?? held.at(-1) ?? delivered);
  const row = diagram.rows.find(({ lane }) => lane.node === node);
  if (!entry || row === undefined) return null;
  const box = diagram.canvas.getBoundingClientRect();
  return { x: box.left + diagram.view.px(entry.x), y: box.top + row.y };
};
