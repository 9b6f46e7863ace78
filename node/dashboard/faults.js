// Faults by hand: what is done to the messages that one node gets, and an end to it.

import { ask, errorOf } from "./api.js";
import { button, el, field, onClick, panel, say, show } from "./dom.js";
import { faultsInWords } from "./explain.js";

const SECONDS_MAX = 3600;

/** By kind: what the button is called, what it asks for, and what has happened then. */
const KINDS = {
  delay: ["Delay", (from, seconds) => ({ delay: { [from]: seconds } }), (at, from) => `Messages of ${from} come late to ${at} from now on.`],
  drop: ["Drop", (from) => ({ drop: [from] }), (at, from) => `${at} loses the messages of ${from} from now on.`],
  duplicate: ["Duplicate", (from) => ({ duplicate: [from] }), (at, from) => `Messages of ${from} come twice to ${at} from now on.`],
  cut: ["Cut off from the broker", () => ({ cut: true }), (at) => `${at} is cut off from the broker.`],
  release: ["Release", () => ({ clear: true }), (at) => `All faults at ${at} are over.`],
};

export function mountFaults(feed) {
  const target = el("select", { id: "fault-target" });
  const origin = el("select", { id: "fault-origin" });
  const seconds = el("input", { id: "fault-seconds", type: "number", min: 0, max: SECONDS_MAX, step: "any", value: 3 });
  const status = el("p", { role: "status", class: "hint" });
  const inForce = el("div");
  const buttons = el("p.actions", Object.entries(KINDS).map(([kind, [label]]) => button(label, { "data-fault": kind })));
  const element = panel("Faults by hand",
    "They act on the messages that the chosen node gets, before its causal buffer sees them. Delayed ones come when they are due or released. Dropped ones are missing until the node asks a peer for them. Duplicates change nothing. A node that is cut off sends and gets nothing.",
    el("div.fields", field("At node", target), field("messages of", origin), field("late by, in seconds", seconds)),
    buttons, status, inForce);

  async function inject(kind, at) {
    const [, change, words] = KINDS[kind];
    const late = Math.min(SECONDS_MAX, Math.max(0, Number(seconds.value) || 0));
    const body = JSON.stringify(change(origin.value, late));
    const answer = await ask(feed.node(at).url, "/faults", { method: "POST", body });
    say(status, answer.ok ? words(at, origin.value) : `${at} did not do that: ${errorOf(answer)}.`);
  }

  function render() {
    const allowing = feed.nodes.filter((node) => node.faults !== null && node.id);
    element.hidden = allowing.length === 0;
    offer(target, allowing.map((node) => node.id));
    offer(origin, feed.nodes.map((node) => node.id).filter((id) => id && id !== target.value));
    show(inForce, forceList(allowing));
  }

  onClick(buttons, "fault", (kind) => inject(kind, target.value));
  onClick(inForce, "release", (id) => inject("release", id));
  target.addEventListener("change", render);
  return { element, render };
}

function forceList(nodes) {
  const suffering = nodes.map((node) => ({ node, texts: faultsInWords(node.faults) })).filter(({ texts }) => texts.length > 0);
  if (suffering.length === 0) return el("p.empty", "No fault is in force.");
  return el("ul.plain", suffering.map(({ node, texts }) => el("li", { "data-key": node.id },
    el("strong", node.id), `: ${texts.join("; ")} `,
    button("Release", { class: "small", "data-release": node.id }, node.id))));
}

function offer(select, ids) {
  show(select, ids.map((id) => el("option", { value: id, "data-key": id }, id)));
}
