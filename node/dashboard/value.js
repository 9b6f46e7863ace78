// A value of somebody else, shown safely: as text, with everything in it visible, and shortened.

import { el } from "./dom.js";
import { jsonText, number, shortened } from "./text.js";

const LINE_CHARACTERS_MAX = 240;
const WHOLE_CHARACTERS_MAX = 20_000;

export function valueView(value) {
  const text = jsonText(value);
  const line = shortened(text, LINE_CHARACTERS_MAX);
  if (line.leftOut === 0) return el("code.value", line.text);
  const more = shortened(text, WHOLE_CHARACTERS_MAX);
  return el("div.long-value",
    el("code.value", line.text),
    el("details",
      el("summary", `${number(text.length)} characters`),
      el("pre", { tabindex: 0, "aria-label": "The value" }, more.text),
      more.leftOut > 0 && el("p.about", `${number(more.leftOut)} more characters are not shown.`)));
}
