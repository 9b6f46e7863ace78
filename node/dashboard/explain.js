// What numbers, names and states mean, in sentences. Pure: values in, texts out.

import { covers, dots, merged, nodeOf, parsedDot } from "./clock.js";
import { brief, counted, duration, listed, moment } from "./text.js";

const SKEW_SECONDS = 5;
const HEARD_SECONDS = 2.5; // nodes talk about once a second
const DOTS_SHOWN_MAX = 5;
const KEYS_SHOWN_MAX = 3;

/** "write 3 of node1 (node1~t5k2m1:3)". */
export function namedWrite(dot) {
  const parsed = parsedDot(dot);
  return parsed === null ? `a write that is not named (${brief(dot)})` : `write ${parsed.seq} of ${nodeOf(parsed.replica)} (${brief(dot)})`;
}

/** "3 of node1, 1 of node2, none of node3". */
export function vcInWords(vc, nodes) {
  return listed(vc.map((count, at) => `${count === 0 ? "none" : count} of ${nodes[at] ?? `node number ${at + 1}`}`));
}

/** "node1~t5k2m1:3, node2~t5k2m4:1–4". */
export function dotsInWords(ranges) {
  const more = ranges.length - DOTS_SHOWN_MAX;
  return ranges.slice(0, DOTS_SHOWN_MAX).map(dots).join(", ") + (more > 0 ? ` and those of ${more} more replicas` : "");
}

/** Why a node holds a write. */
export function whyHeld(write, held, node) {
  const more = write.keys.length - KEYS_SHOWN_MAX;
  const keys = write.keys.slice(0, KEYS_SHOWN_MAX).map((key) => brief(key)).join(", ") + (more > 0 ? ` and ${more} more` : "");
  const others = write.missing.length - 1;
  const behind = others > 0 ? ` Behind that, ${counted(others, "more write is", "more writes are")} missing before it.` : "";
  const where = held.some((other) => other.dot === write.waitsFor) ? `which ${node} holds itself` : `which has not come to ${node}`;
  return `${capital(namedWrite(write.dot))}, of ${keys || "no key"}, happened after ${namedWrite(write.waitsFor)}, ${where}: it is kept on disk, and shown to nobody until that one is applied.${behind}`;
}

/** What the page should draw attention to, the gravest first: { key, level, title, texts } each. */
export function problemsOf(nodes, now) {
  const order = ["danger", "warning", "note"];
  return nodes.flatMap((node) => (node.state === "connected" ? problemsOfReached(node, nodes) : problemsOfMissing(node, nodes, now)))
    .sort((one, other) => order.indexOf(one.level) - order.indexOf(other.level));
}

const problem = (level, title, ...texts) => ({ key: title, level, title, texts });
const are = (ids, one, several) => `${listed(ids)} ${ids.length === 1 ? one : several}`;

function problemsOfMissing(node, nodes, now) {
  if (node.state === "connecting" || node.needsReload) return [];
  const title = node.state === "unreachable"
    ? `${nameOf(node)} cannot be reached since ${moment(node.since)} (${duration((now - node.since) / 1000)})`
    : `${nameOf(node)} cannot be asked`;
  const last = node.status === null ? "This page has never seen its clock." : `What is shown of it is its last answer, of ${moment(node.reachedAt)}.`;
  return [{ ...problem("danger", title, `${capital(node.why)}.`, ...whatItMeans(node, nodes), last), key: `missing ${node.id}` }];
}

/** What the others say of a node that this page does not reach. */
function whatItMeans(node, nodes) {
  const reports = nodes.filter((other) => other.state === "connected" && other !== node)
    .flatMap(({ id, status, members }) => members.filter((member) => member.node === node.id)
      .map((member) => ({ ...member, by: id, isLinked: status.broker !== "disconnected" })));
  const names = (some) => some.map(({ by }) => by);
  const hearing = reports.filter((each) => each.alive && each.silentSeconds < HEARD_SECONDS);
  if (hearing.length > 0) return [`${are(names(hearing), "hears", "hear")} it: it runs and takes part in replication. Only this page does not reach it.`];
  const linked = reports.filter((each) => each.isLinked);
  if (reports.length === 0) return ["No other node that answers knows of it."];
  if (linked.length === 0) return [`${listed(names(reports))} cannot tell how it is, without a link to the broker.`];
  const heard = `${are(names(linked), "has", "have")} not heard it for ${duration(Math.min(...linked.map((each) => each.silentSeconds)))} either: it is down or cut off.`;
  if (linked.every((each) => each.away)) {
    return [heard, "It has been away for so long that no history is kept for it any more: it will catch up by a snapshot, or can be taken out of the cluster (client remove)."];
  }
  const kept = Math.max(...linked.map((each) => each.holdsBackWrites));
  return [heard, `Nobody waits for it: the others read and write as before. What they write waits for it in its queue at the broker, and they keep ${counted(kept, "write")} of history for it. It gets them when it is back.`];
}

function problemsOfReached(node, nodes) {
  const { id, status, members } = node;
  const left = status.healing.catchingUpWrites;
  const outbox = `${counted(status.outbox, "write")} of its own ${status.outbox === 1 ? "waits" : "wait"} in its outbox, on its disk`;
  const faults = node.faults === null ? [] : faultsInWords(node.faults);
  return [
    status.broker === "disconnected" && problem("danger", `${id} has no link to the broker`,
      `It goes on reading and writing by itself. ${outbox}, and it hears nothing of the others until the link is back.`),
    status.broker === "blocked" && problem("danger", `The broker takes no messages from ${id}`,
      `That is an alarm of the broker: its memory or its disk is full. Reads and writes go on; ${outbox}.`),
    !status.ready && problem("warning", `${id} is not ready`,
      left > 0 ? `It is catching up: ${counted(left, "write")} to go.` : "It starts, joins or stops; readyz says more."),
    members.length > 0 && members.every((member) => member.node !== id) && problem("danger", `${id} is no member of the cluster any more`,
      "It was taken out. Stop it: its data may be deleted."),
    status.unsafe.length > 0 && problem("danger", `${id} runs an experiment: ${brief(listed(status.unsafe))}`,
      "It breaks promises on purpose, and may differ from the others for good."),
    node === nodes[0] && members.filter((member) => member.alive && Math.abs(member.clockAheadSeconds) > SKEW_SECONDS)
      .map((member) => skew(member, id)),
    faults.length > 0 && problem("warning", `${id} has faults in force, on purpose`, `${capital(faults.join("; "))}.`),
    status.wrong.length > 0 && problem("note", `Parts of what ${id} tells of itself cannot be read`,
      `Left out: ${brief(listed(status.wrong.slice(0, 5)), 200)}.`),
  ].flat().filter(Boolean);
}

function skew({ node, clockAheadSeconds: ahead }, id) {
  const title = `The wall clock of ${brief(node)} is ${duration(Math.abs(ahead))} ${ahead > 0 ? "ahead of" : "behind"} that of ${id}`;
  const text = "Causal order does not depend on it. But of concurrent writes those of the node that is ahead win. Set the clocks right, by NTP.";
  return { ...problem("warning", title, text), key: `skew ${node}` };
}

/** What is done to the messages that a node gets. */
export function faultsInWords(faults) {
  const share = (chance) => (chance >= 1 ? "all" : `${Math.round(chance * 100)} % of the`);
  return [
    ...Object.entries(faults.delay).map(([node, seconds]) => `messages of ${brief(node)} come ${duration(seconds)} late`),
    ...Object.entries(faults.drop).map(([node, chance]) => `${share(chance)} messages of ${brief(node)} are dropped`),
    ...Object.entries(faults.duplicate).map(([node, chance]) => `${share(chance)} messages of ${brief(node)} come twice`),
    ...(faults.cut ? ["it is cut off from the broker"] : []),
    ...(faults.wallOffset === 0 ? [] : [`its wall clock is set wrong by ${faults.wallOffset} s`]),
  ];
}

/** Everything that any node is known to have applied. */
export function appliedAnywhere(nodes) {
  return merged(...nodes.map((node) => node.status?.clock ?? {}));
}

/** The whole cluster in a few words; they change only when their meaning does. */
export function summaryOf(nodes, expected) {
  const reached = nodes.filter((node) => node.state === "connected");
  const waiting = nodes.some((node) => node.state === "connecting");
  if (reached.length === 0) return waiting ? "Asking the nodes …" : "No node can be reached. What is shown is what was seen last.";
  const behind = reached.filter((node) => !covers(node.status.clock, expected)).map(nameOf);
  const holding = reached.filter((node) => node.status.held > 0).map(nameOf);
  const missingNodes = nodes.filter((node) => node.state === "unreachable" || node.state === "unknown").map(nameOf);
  return [
    missingNodes.length === 0 ? `All ${nodes.length} nodes can be reached.` : `${listed(missingNodes)} cannot be reached; ${reached.length} of ${nodes.length} nodes can.`,
    behind.length === 0 ? "They have applied the same writes." : `${are(behind, "lacks", "lack")} writes that others have.`,
    holding.length === 0 ? "Nothing is held." : `${are(holding, "holds", "hold")} writes until their causes come.`,
  ].join(" ");
}

export function nameOf(node) {
  return node.id || "The node of this page";
}

function capital(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
