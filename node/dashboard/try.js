// Put, get and delete at any node, with a session whose token is seen.

import { ask } from "./api.js";
import { stateMark } from "./cluster_tables.js";
import { button, el, field, onClick, panel, say, show } from "./dom.js";
import { Session, tokenTable } from "./session.js";
import { brief } from "./text.js";
import { raw, told, tokenGain } from "./try_answers.js";

const ANSWERS_SHOWN = 12;
const GRACE_SECONDS = 5;
const WAIT_SECONDS_MAX = 60;
const LEVELS = { "": "local: on this node’s disk", broker: "broker: in every queue", all: "all: applied by every member" };
const KINDS = { "{": "an object", "[": "a list", '"': "a text", t: "true", f: "false", n: "null" };

export function mountTry(container, { feed, isShown }) {
  const session = new Session();
  const status = el("p.hint", { role: "status" });
  const nodes = el("div.choices");
  const asTyped = { autocomplete: "off", spellcheck: "false", autocapitalize: "off" };
  const key = el("input", { id: "try-key", name: "key", type: "text", maxlength: 1024, ...asTyped });
  const value = el("textarea", { id: "try-value", name: "value", rows: 3, "aria-describedby": "try-value-is", ...asTyped });
  const valueIs = el("p.hint", { id: "try-value-is" });
  const form = el("form.panel", { "aria-label": "Request" },
    el("h2", "Request"),
    el("fieldset", el("legend", "Node"), nodes),
    field("Key", key), field("Value, for a put", value), valueIs,
    el("p.actions",
      button("Put", { class: "primary", "data-operation": "put" }),
      button("Get", { class: "primary", type: "submit" }), // what the Enter key presses
      button("Delete", { "data-operation": "delete" }), status),
    el("details", el("summary", "Options"), el("div.option-list",
      el("label.check", el("input", { type: "checkbox", name: "siblings", checked: true }), " Get all siblings"),
      field("Seconds to wait until the node has what the token names",
        el("input", { id: "try-wait", name: "wait", type: "number", min: 0, max: WAIT_SECONDS_MAX, step: "any", value: 5 })),
      field("A write is answered when it is",
        el("select", { id: "try-ack", name: "ack" }, Object.entries(LEVELS).map(([level, words]) => el("option", { value: level }, words)))))));
  const tokenShown = el("div");
  const sends = el("input", { type: "checkbox", checked: true });
  const spoken = el("p.visually-hidden", { role: "status" });
  const answers = el("ol.answers", { "aria-label": "Answers, the newest first" });
  container.append(
    el("div.columns", form, panel("Session token",
      "What this session has seen, as every answer tells it. It goes along to whichever node is asked next: a node that has not come so far lets the request wait, so that a session reads its own writes and never goes back in time.",
      tokenShown,
      el("p.actions", el("label.check", sends, " Send it with the next request"), button("Reset the token", { "data-token": "" })))),
    el("section.panel", { "aria-label": "Answers" }, el("h2", "Answers"), spoken, answers));

  const showToken = () =>
    show(tokenShown, tokenTable(session.clock), session.token && el("code.token-text", `X-Causal-Context: ${session.token}`));
  const sayKind = () => say(valueIs, readValue(value.value).words);

  function offerNodes() {
    show(nodes, feed.nodes.filter((node) => node.id).map((node) => el("label.choice", { "data-key": node.id },
      el("input", { type: "radio", name: "node", value: node.id }), el("span", node.id, " ", stateMark(node)))));
    const radios = [...nodes.querySelectorAll("input")];
    if (radios.length > 0 && !radios.some((radio) => radio.checked)) radios[0].checked = true;
  }

  async function go(operation) {
    const filled = Object.fromEntries(new FormData(form));
    const node = feed.node(filled.node);
    if (!node?.url || filled.key === "") {
      say(status, node?.url ? "Give a key first." : "Choose another node.");
      if (node?.url) key.focus();
      return;
    }
    const request = requestFor(operation, { ...filled, value: value.value });
    const tokenBefore = sends.checked ? session.token : "";
    const waitSeconds = Math.min(WAIT_SECONDS_MAX, Math.max(0, Number(filled.wait) || 0));
    say(status, `Asking ${node.id} …`);
    const timeoutSeconds = waitSeconds + 2 * GRACE_SECONDS; // a node waits 5 s for an acknowledgement
    const tries = operation === "get" ? 2 : 1;
    const answer = await ask(node.url, request.path,
      { ...request, token: tokenBefore, waitSeconds, timeoutSeconds, tries, exactly: true });
    say(status, "");
    session.saw(answer.token);
    showToken();
    const { replica, nodes: order = [] } = node.status ?? {};
    report({ ...request, operation, node: node.id, replica, nodes: order, key: filled.key, tokenBefore, answer });
  }

  function report(exchange) {
    const { title, isGood, content } = told(exchange);
    say(spoken, `${title}.`);
    answers.prepend(el(`li.card.answer.${isGood ? "good" : "bad"}`,
      el("p.card-title", el("span.symbol", { "aria-hidden": "true" }, isGood ? "●" : "✕"), ` ${title}`,
        el("span.age", `${Math.round(exchange.answer.seconds * 1000)} ms`)),
      content.map((each) => (typeof each === "string" ? el("p", each) : each)),
      el("p.about", tokenGain(exchange)),
      raw(exchange)));
    while (answers.children.length > ANSWERS_SHOWN) answers.lastElementChild.remove();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go("get");
  });
  onClick(form, "operation", go);
  onClick(container, "token", () => {
    session.clock = {};
    showToken();
    say(spoken, "The token is empty: this session has seen nothing.");
  });
  value.addEventListener("input", sayKind);
  feed.on("nodes", () => isShown() && offerNodes());
  showToken();
  sayKind();
  return { render: offerNodes };
}

function requestFor(operation, { key, value, siblings, ack }) {
  if (operation === "get") {
    return { method: "GET", path: `/get?key=${encodeURIComponent(key.toWellFormed())}${siblings ? "&siblings=true" : ""}` };
  }
  // The value goes out word for word, so that no digit of a number is lost.
  const members = [`"key": ${JSON.stringify(key)}`, operation === "put" && `"value": ${readValue(value).json}`, ack && `"ack": "${ack}"`];
  return { method: "POST", path: `/${operation}`, body: `{${members.filter(Boolean).join(", ")}}` };
}

/** What was typed, as JSON: JSON as it stands, everything else as a text. */
function readValue(typed) {
  try {
    JSON.parse(typed);
    return { json: typed, words: `Taken as JSON: ${KINDS[typed.trim()[0]] ?? "a number"}.` };
  } catch {
    const json = JSON.stringify(typed);
    return { json, words: `No JSON, so taken as the text ${brief(json, 60)}.` };
  }
}
