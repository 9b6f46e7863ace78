// The lessons, played step by step at the real nodes, and the faults that they use, to be put in force by hand.

import { mountFaults } from "./faults.js";
import { button, el, onClick, outOfUse, say, show } from "./dom.js";
import { LESSONS } from "./scenarios.js";
import { Stage } from "./stage.js";
import { listed } from "./text.js";

export function mountLessons(container, { feed, isShown }) {
  const allowance = el("div");
  const list = el("ul.lesson-list");
  const player = mountPlayer(feed);
  const faults = mountFaults(feed);
  container.append(
    el("p.lead", "Small scenarios, played on these nodes. Each says step by step what happens and why, with all clocks side by side."),
    allowance, list, player.element, faults.element);

  function render() {
    if (!isShown()) return;
    show(allowance, allowanceNote(feed.nodes));
    const areAllowed = feed.nodes.some((node) => node.faults !== null);
    show(list, LESSONS.map(({ name, summary, needsFaults }) => el("li.card",
      el("h2", name), el("p", summary),
      el("p", button("Play",
        { class: "primary", "data-play": name, disabled: needsFaults && !areAllowed, ...outOfUse(player.isPlaying()) }, `the lesson ${name}`)))));
    faults.render();
  }

  onClick(list, "play", async (name) => {
    const playing = player.play(name);
    render();
    await playing;
    render();
  });
  addEventListener("pagehide", player.pageCloses);
  feed.on("nodes", render);
  return { render };
}

function allowanceNote(nodes) {
  const reached = nodes.filter((node) => node.state === "connected");
  const without = reached.filter((node) => !node.status.faultsAllowed);
  if (without.length === 0) return null;
  const who = without.length === reached.length ? "These nodes allow" : `${without.map((node) => node.id).join(", ")} ${without.length === 1 ? "allows" : "allow"}`;
  return el("div.notice",
    el("p", el("strong", `${who} no faults on purpose`), ", which all lessons but the first need: they keep messages back. To turn them on, start every node anew with ", el("code", "CAUSALKV_FAULTS=1"), ":"),
    el("pre", { tabindex: 0, "aria-label": "How to turn faults on" }, "export CAUSALKV_FAULTS=1\ndocker compose up --build -d --wait      # with Docker\n./infra/demo --keep                       # or without"),
    el("p", "Not for a cluster that serves anybody: whoever reaches a node can then cut it off."));
}

/** Plays one lesson at a time. */
function mountPlayer(feed) {
  const transcript = el("div.transcript", { role: "log", "aria-label": "What happens in the lesson", tabindex: 0 });
  const status = el("p.player-status", { role: "status" });
  const controls = el("p.actions");
  // At the lower edge of the window, so that the next step is in reach however long the lesson has become.
  const bar = el("div.player-controls", status, controls);
  const element = el("section.panel.player", { "aria-label": "Lesson", hidden: true }, transcript, bar);
  let stage = null;
  let ending = null;
  let isStepwise = true;
  let goOn = null; // called when the reader wants the next step; null: nobody waits for that

  function renderControls() {
    show(controls,
      button("Next step", { class: "primary", "data-player": "next", ...outOfUse(goOn === null) }),
      button("Play to the end", { "data-player": "all", ...outOfUse(ending === null || !isStepwise) }),
      button("Stop", { "data-player": "stop", ...outOfUse(ending === null) }),
      ending === null && el("a", { href: "#diagram", class: "button" }, "See its writes in the diagram"));
  }

  /** Wait until the reader wants the next step. */
  async function pause(signal, text) {
    say(status, text);
    await new Promise((resolve) => {
      goOn = resolve;
      signal.addEventListener("abort", resolve, { once: true });
      renderControls();
    });
    goOn = null;
    renderControls();
  }

  async function play(name) {
    const lesson = LESSONS.find((each) => each.name === name);
    if (ending !== null) return;
    ending = new AbortController();
    const { signal } = ending;
    isStepwise = true;
    transcript.replaceChildren();
    element.hidden = false;
    const tell = (view) => {
      transcript.append(view);
      view.scrollIntoView({ block: "nearest" });
    };
    let steps = 0;
    const nextStep = async () => {
      if (steps > 0 && isStepwise) await pause(signal, `Step ${steps} of ${name} is done.`);
      signal.throwIfAborted();
      steps += 1;
      say(status, `Playing ${name}, step ${steps} …`);
      return steps;
    };
    stage = new Stage(feed.nodes, { signal, tell, nextStep, warn: (text) => tell(el("p.moment.warning", text)) });
    renderControls();
    say(status, `Playing ${name}: making sure that all nodes begin equal …`);
    let end = `The lesson ${name} is over.`;
    try {
      await stage.begin(lesson);
      await lesson.play(stage);
    } catch (error) {
      end = signal.aborted ? `The lesson ${name} was stopped.` : `The lesson ${name} cannot go on: ${error.message}.`;
      if (!signal.aborted) tell(el("p.moment.failure", end));
    }
    ending.abort(); // what still waits for an answer
    const left = listed(await stage.end());
    stage = ending = null;
    say(status, `${end} ${left ? `Faults may still be in force at ${left}: release them below when it is back.` : "All faults that it put in force are over."}`);
    renderControls();
  }

  onClick(controls, "player", (what) => {
    if (what === "stop") ending?.abort();
    if (what === "all") isStepwise = false;
    goOn?.();
  });

  return {
    element,
    play,
    isPlaying: () => ending !== null,
    pageCloses: () => stage?.endAtOnce(),
  };
}
