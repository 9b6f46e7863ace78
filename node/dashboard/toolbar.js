// The controls above the picture.

import { el, onClick, show } from "./dom.js";
import { CAUSAL, WALL } from "./layout.js";

const button = (act, text, title, more = {}) => el("button", { type: "button", "data-act": act, title, ...more }, text);

/** `act(name, value)` is called with what is wanted; `show(diagram)` brings the controls in line. */
export function createToolbar(act) {
  const layouts = [
    button(`layout ${CAUSAL}`, "Causal order", "Later means: happened after. No clock is read"),
    button(`layout ${WALL}`, "Wall time", "By the clocks of the nodes, which differ"),
  ];
  const pause = button("pause", "Pause", "Let the picture stand still (space)");
  const follow = button("follow", "To the newest", "Keep the newest in sight (End)");
  const compare = button("compare", "Compare", "Choose a second write, to see its clock beside the first one’s (c)");
  const table = button("table", "Table", "The same events as a table");
  const key = el("input", { type: "search", size: 14, maxlength: 1024, placeholder: "any", "aria-label": "Only writes with a key that contains" });
  const lanes = el("span", { class: "cd-lanes", role: "group", "aria-label": "Lanes" });
  const group = (...children) => el("span", { class: "cd-group" }, ...children);
  const element = el("div", { class: "cd-toolbar", role: "group", "aria-label": "How the picture is shown" },
    group(layouts), group(pause, follow),
    group(button("zoom out", "−", "Smaller (-)", { "aria-label": "Smaller" }),
      button("zoom in", "+", "Larger (+)", { "aria-label": "Larger" }), button("fit", "All", "Show everything (0)")),
    group(compare, table), el("label", {}, "Key ", key), lanes);
  onClick(element, "act", (wanted) => act(...wanted.split(" ")));
  key.addEventListener("input", () => act("key", key.value));
  lanes.addEventListener("change", ({ target }) => act("lane", target.value));
  return {
    element,
    show({ layout, isPaused, waiting, view, isComparing, trace, filters }) {
      const press = (pressed, isPressed) => pressed.setAttribute("aria-pressed", String(isPressed));
      for (const each of layouts) press(each, each.dataset.act.endsWith(layout.mode));
      press(pause, isPaused);
      press(compare, isComparing);
      press(table, table.closest(".causal-diagram").querySelector(".cd-table").hidden === false);
      pause.textContent = isPaused ? `Go on (${waiting.length} new)` : "Pause";
      follow.ariaDisabled = String(view.follows && !isPaused);
      show(lanes, ...trace.lanes.map(({ node }) => el("label", { "data-key": node },
        el("input", { type: "checkbox", value: node, checked: !filters.hidden.has(node) }), ` ${node}`)));
    },
  };
}
