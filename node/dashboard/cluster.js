// The cluster: how all nodes are, side by side, as each tells it.

import { ask, errorOf } from "./api.js";
import { readConflicts } from "./answers.js";
import { clockTable, limitTable, missingList, nodeTable } from "./cluster_tables.js";
import { conflictList, healingList, heldList } from "./cluster_writes.js";
import { el, onClick, panel, say, show } from "./dom.js";
import { appliedAnywhere, problemsOf, summaryOf } from "./explain.js";

// Writes are always on their way, and the nodes are asked at different moments: only what is missing for longer is missing.
const ON_THE_WAY_SECONDS = 2.5;
const CONFLICTS_EVERY_SECONDS = 3;
const CONFLICTS_SHOWN = 10;
const PARTS = ["problems", "clocks", "missing", "nodes", "held", "conflicts", "healing", "limits"];

/** Show the cluster in `container`, as long as `isShown()`. */
export function mountCluster(container, { feed, isShown }) {
  const parts = Object.fromEntries(PARTS.map((name) => [name, el(`div.${name}`)]));
  const summary = el("p.lead", { role: "status" });
  container.append(
    summary,
    parts.problems,
    panel("Vector clocks", "Each row is the clock of one node: how many writes of each node it has applied. A number that is marked is behind: that node lacks writes which another one has.", parts.clocks, parts.missing),
    panel("Nodes", "How each node is, by its own word, and by that of the others where it cannot be asked. Lag: writes that others have and it lacks. Holds back history: writes that the others keep because it lacks them.", parts.nodes),
    el("div.columns",
      panel("Held writes", "Writes that came before something that they depend on.", parts.held),
      panel("Conflicts", "Keys that were written concurrently and hold several values until a write that has seen them replaces them.", parts.conflicts)),
    panel("Healing", "What is missing, and what was brought from peers because the broker did not.", parts.healing),
    panel("Limits", "How full each node is, and which limits have refused something since it started.", parts.limits),
  );
  let conflicts = { node: "", answer: null, problem: "" };
  let pages = [""];

  const applied = [];

  /** What has been applied somewhere for so long that every node should have it. */
  function expected() {
    applied.push({ at: performance.now(), clock: appliedAnywhere(feed.nodes) });
    while (applied.length > 1 && applied[1].at < performance.now() - ON_THE_WAY_SECONDS * 1000) applied.shift();
    return applied[0].clock;
  }

  function render() {
    const { nodes } = feed;
    const clock = expected();
    if (!isShown()) return;
    say(summary, summaryOf(nodes, clock));
    show(parts.problems, problemList(problemsOf(nodes, Date.now())));
    show(parts.clocks, clockTable(nodes));
    show(parts.missing, missingList(nodes, clock));
    show(parts.nodes, nodeTable(nodes));
    show(parts.held, heldList(nodes));
    show(parts.conflicts, conflictList(conflicts, pages.length > 1));
    show(parts.healing, healingList(nodes));
    show(parts.limits, limitTable(nodes));
  }

  async function lookForConflicts() {
    const node = feed.nodes.find((each) => each.state === "connected");
    if (!isShown() || node?.url == null) return;
    const answer = await ask(node.url, `/conflicts?limit=${CONFLICTS_SHOWN}&after=${encodeURIComponent(pages.at(-1))}`, { exactly: true });
    const problem = answer.status === 404 ? "it is of a version that does not list them" : errorOf(answer);
    conflicts = answer.ok && !answer.problem
      ? { node: node.id, answer: readConflicts(answer.body) }
      : { node: node.id, answer: null, problem };
    render();
  }

  onClick(container, "conflicts", (where) => {
    pages = where === "next" ? [...pages, conflicts.answer.next] : [""];
    lookForConflicts();
  });
  feed.on("nodes", render);
  setInterval(lookForConflicts, CONFLICTS_EVERY_SECONDS * 1000);
  return { render: () => { render(); lookForConflicts(); } };
}

const LEVEL_WORDS = { danger: "Problem", warning: "Attention", note: "Note" };

function problemList(problems) {
  if (problems.length === 0) return null;
  return el("ul.problems", { "aria-label": "What needs attention" }, problems.map(({ key, level, title, texts }) =>
    el("li", { class: `problem ${level}`, "data-key": key },
      el("p.problem-title", el("span.tag", LEVEL_WORDS[level]), " ", title),
      texts.map((text) => el("p", text)))));
}
