// The page: which of its views is shown, and the nodes at the top of all of them.

import { mountCluster } from "./cluster.js";
import { stateMark } from "./cluster_tables.js";
import { mountDiagram } from "./diagram.js";
import { button, el, onClick, say, show } from "./dom.js";
import { nameOf } from "./explain.js";
import { createFeed } from "./feed.js";
import { counted, listed } from "./text.js";
import { mountLessons } from "./lessons.js";
import { createTrace } from "./trace.js";
import { mountTry } from "./try.js";

const VIEWS = ["diagram", "cluster", "try", "lessons"];
const EVENTS_MAX = 10_000;
const CHIPS_MAX = 8;

const byId = (id) => document.getElementById(id);
const told = (name) => document.querySelector(`meta[name="causalkv-${name}"]`)?.getAttribute("content") ?? "";

const feed = createFeed({
  // Without the end of the address, so that the page also works behind a proxy that gives it a path.
  ownUrl: new URL(".", location.href).href.replace(/\/+$/, ""),
  ownId: told("node"),
  origins: told("origins").split(" ").filter(Boolean),
});

function shownView() {
  const wanted = location.hash.slice(1).split("/")[0];
  return VIEWS.includes(wanted) ? wanted : VIEWS[0];
}

const page = (name) => ({ feed, isShown: () => shownView() === name });

const views = {
  diagram: { render() {} },
  cluster: mountCluster(byId("cluster-content"), page("cluster")),
  try: mountTry(byId("try-content"), page("try")),
  lessons: mountLessons(byId("lessons-content"), page("lessons")),
};

function showView(takesFocus) {
  const shown = shownView();
  for (const name of VIEWS) {
    byId(`view-${name}`).hidden = name !== shown;
    const link = document.querySelector(`nav [data-view="${name}"]`);
    if (name === shown) link?.setAttribute("aria-current", "page");
    else link?.removeAttribute("aria-current");
  }
  const title = byId(`${shown}-title`);
  document.title = `${title.textContent} – ${told("node") || "causalkv"}`;
  views[shown].render();
  if (takesFocus) {
    title.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

const states = new Map();

function renderNodes(nodes) {
  // Of a large cluster those that want attention are shown.
  const isGood = (node) => Number(node.state === "connected");
  const more = nodes.length - CHIPS_MAX;
  const chips = more > 0 ? [...nodes].sort((one, other) => isGood(one) - isGood(other)).slice(0, CHIPS_MAX) : nodes;
  const chip = (key, title, ...content) => el("li.node-chip", { title, "data-key": key }, el("a", { href: "#cluster" }, content));
  show(byId("nodes"),
    chips.map((node) => chip(nameOf(node), node.why || node.url, nameOf(node), " ", stateMark(node))),
    more > 0 && chip("", null, `and ${more} more`));
  say(byId("cluster-name"), nodes.find((node) => node.status)?.status.cluster ?? "");
  announce(nodes);
  show(byId("notices"), notices(nodes));
}

/** Say aloud what a look at the top would show. */
function announce(nodes) {
  const news = nodes.flatMap((node) => {
    const before = states.get(node.id);
    states.set(node.id, node.state);
    if (node.state === "unreachable" && before === "connected") return [`${nameOf(node)} cannot be reached any more.`];
    return node.state === "connected" && before === "unreachable" ? [`${nameOf(node)} can be reached again.`] : [];
  });
  if (news.length > 0) say(byId("announcer"), news.join(" "));
}

function notices(nodes) {
  const joined = nodes.filter((node) => node.needsReload).map(nameOf);
  const own = nodes.find((node) => node.isOwn);
  const other = nodes.find((node) => node.state === "connected");
  const notice = (key, ...content) => el("p.notice", { "data-key": key }, content);
  return [
    joined.length > 0 && notice("joined",
      `${listed(joined)} joined after this page was loaded. A browser lets the page talk only to the nodes that it knew then. `,
      button("Reload the page", { class: "small", "data-reload": "" })),
    own.state === "unreachable" && other && notice("own",
      `${nameOf(own)}, from which this page came, does not answer. The page goes on with the other nodes, as long as it is not reloaded; `,
      el("a", { href: `${other.url}/${location.hash}` }, `open it at ${other.id}`), " for that."),
    feed.skipped > 0 && notice("skipped", `${counted(feed.skipped, "event")} could not be read and ${feed.skipped === 1 ? "is" : "are"} left out.`),
  ];
}

document.querySelector(".skip-link")?.addEventListener("click", (event) => {
  event.preventDefault(); // the address says which view is shown
  byId("main").focus();
});
onClick(byId("notices"), "reload", () => location.reload());
addEventListener("hashchange", () => showView(true));
feed.on("nodes", renderNodes);

mountDiagram(byId("diagram-content"), { trace: createTrace({ maxEvents: EVENTS_MAX }), feed });

byId("loading").hidden = true;
showView(false);
feed.start();
