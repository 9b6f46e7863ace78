// Answers to what is tried out, in words.

import { isObject, readBehind, readFound, readWritten } from "./answers.js";
import { siblingList } from "./cluster_writes.js";
import { clockOf, missing, nodeOf, total } from "./clock.js";
import { el } from "./dom.js";
import { dotsInWords, vcInWords } from "./explain.js";
import { errorOf } from "./api.js";
import { brief, shortenedLines } from "./text.js";
import { valueView } from "./value.js";

const RAW_CHARACTERS_MAX = 4_000;

const good = (title, ...content) => ({ title, isGood: true, content });
const bad = (title, ...content) => ({ title, isGood: false, content });
const writes = (count) => (count === 1 ? "one write" : `${count} writes`);

/** What an answer means: a title, whether that is good, and sentences or elements. */
export function told(exchange) {
  const { operation, node, key, answer } = exchange;
  const isGet = operation === "get";
  if (answer.problem) {
    const lost = `Whether ${node} made the write is not known: read before you write again.`;
    return bad(`${node} did not answer: ${answer.problem}`, isGet ? "Nothing was changed." : lost);
  }
  if (!isObject(answer.body)) return bad(`${node} answered what cannot be read (status ${answer.status})`);
  if (answer.ok) return isGet ? toldFound(exchange) : toldWritten(exchange);
  if (answer.status === 404 && isGet) {
    return good(`${node} has no value for ${brief(key)}`,
      "The token now covers all that this node has applied. So a later read at another node cannot go back behind the fact that there was nothing.");
  }
  if (answer.status === 503 && isObject(answer.body.missing)) return toldBehind(exchange);
  return bad(`${node} refused (${answer.status})`, `${brief(errorOf(answer), 600)}.`);
}

function toldWritten({ operation, node, replica, nodes, key, answer }) {
  const { vc, acked } = readWritten(answer.body);
  const seq = clockOf(answer.token)[replica];
  return good(`${node} ${operation === "put" ? "stored" : "deleted"} ${brief(key)}`,
    vcLine(vc, nodes),
    (acked && `It reached the level ${brief(acked)} by the time of the answer. `)
      + (seq === undefined ? "" : `It is write ${seq} of ${nodeOf(replica)} (${replica}:${seq}). `)
      + "Every other write that its clock counts happened before it, and no node shows it without them.",
    operation === "delete" && "It removed the versions that its clock covers. One that was put concurrently survives.");
}

function toldFound({ node, nodes, key, answer }) {
  const { value, vc, siblings, ttl } = readFound(answer.body);
  return good(`${node} shows ${brief(key)}${siblings.length > 0 ? `, written at ${brief(siblings[0].node)}` : ""}`,
    el("p.result", valueView(value)),
    vcLine(vc, nodes),
    `That is the clock of the version that is shown, not of the node: the writes that it counts are the version and what happened before it.${ttl === null ? "" : ` It ends in ${ttl} s.`}`,
    siblings.length > 1 && [
      el("p", `The key holds ${siblings.length} values that were written concurrently: in each clock some number is greater than in the others. All nodes show the same one, the latest by hybrid time; a put from this session has seen them all and replaces them.`),
      siblingList(siblings),
    ]);
}

function vcLine(vc, nodes) {
  return el("p", el("code", `vc [${vc.join(", ")}]`), ` counts writes: ${vcInWords(vc, nodes)}.`);
}

function toldBehind({ operation, node, answer }) {
  const { missing: lacking, unknown } = readBehind(answer.body);
  const count = total(lacking);
  return bad(`${node} is behind what this session has seen, and would not ${operation === "get" ? "show" : "write on top of"} an older state`,
    `It lacks ${writes(count)} that the token names: ${dotsInWords(lacking)}. It waited for ${count === 1 ? "it" : "them"} as long as it was allowed to, and nothing was done. Try again, try another node, or reset the token to see what the node has.`,
    unknown.length > 0 && `It has never heard of ${unknown.map((each) => brief(each)).join(", ")}: the token is of another cluster, or of data that was deleted.`);
}

/** Request and answer as they went over the wire. */
export function raw({ method, path, body, tokenBefore, answer }) {
  const context = (token) => token && `\nX-Causal-Context: ${token}`;
  const pre = (label, text) => el("pre", { tabindex: 0, "aria-label": label }, shortenedLines(text, RAW_CHARACTERS_MAX));
  return el("details",
    el("summary", "Request and answer"),
    pre("Request", `${method} ${path}${context(tokenBefore)}${body ? `\n${body}` : ""}`),
    pre("Answer", answer.status === 0 ? answer.problem : `${answer.status}${context(answer.token)}\n${answer.text}`));
}

/** What the token gained. */
export function tokenGain({ tokenBefore, answer }) {
  const gained = missing(clockOf(tokenBefore), clockOf(answer.token));
  return gained.length === 0 ? "The token stays as it is." : `The token now covers ${writes(total(gained))} more: ${dotsInWords(gained)}.`;
}
