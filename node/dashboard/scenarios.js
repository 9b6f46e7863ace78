// The lessons. They show and say what `client demo --scenario` does (client/lessons/); a test plays both and holds every
// sentence together.

import { merged, missing } from "./clock.js";
import { Session } from "./session.js";

const shown = (vc) => `[${vc.join(", ")}]`;

async function founding(stage) {
  const [one, two, three] = stage.nodes;
  const session = new Session();
  session.clock = await stage.knownAnywhere();
  stage.title("founding: three writes at three nodes, the second caused by the first", ["x", "y"]);

  await stage.step(`${one} writes x=5`);
  await stage.put(session, one, "x", "5");
  await stage.step(`${two} writes x=10`);
  const second = await stage.put(session, two, "x", "10");
  stage.why(`the request brought the token of the write before. So ${two} waited until it had that write, and the clock of its own write, ${shown(second)}, counts it: x=5 happened before x=10, and x=10 replaces it everywhere.`);
  await stage.step(`${three} writes y=15 (independent write)`);
  await stage.put(session, three, "y", "15");
  await stage.step("Read 'x' and 'y' from all nodes");
  for (const node of stage.nodes) {
    await stage.read(node, "x", session);
    await stage.read(node, "y", session);
  }
  await stage.clocks();
  stage.why("every read brought the token along, so each node answered when it had all three writes, and not before: no node can show another x.");
}

async function held(stage) {
  const [writer, answerer, late] = stage.nodes;
  const [question, answer] = [stage.key("question"), stage.key("answer")];
  const session = new Session();
  stage.title("held: an effect never shows before its cause", [question, answer]);

  await stage.step(`${writer} writes the question; ${late} gets it late`);
  await stage.delay(late, writer);
  await stage.put(session, writer, question, "shall we meet?");
  const asked = await stage.lastDot(session, writer);

  await stage.step(`${answerer} reads the question and writes the answer`);
  await stage.read(answerer, question, session);
  await stage.put(session, answerer, answer, "yes, at noon");
  stage.why(`the clock of the answer counts the question too: the question happened before it. The write of the question is ${asked}, which says: write number ${asked.split(":").at(-1)} of ${writer}.`);

  await stage.step(`The answer reaches ${late}, the question does not`);
  const waiting = await stage.waitHeld(late, answer);
  await stage.waitApplied(session.clock, stage.nodes.filter((node) => node !== late));
  await stage.read(late, question);
  await stage.read(late, answer);
  await stage.clocks();
  const cause = waiting === asked ? "the question" : waiting;
  stage.why(`${late} compares the clock of the answer with its own: the number for ${writer} is ahead, so a write that happened before is missing: ${cause}. It keeps the answer in its causal buffer (/buffer), on its disk, and shows neither.`);

  await stage.step(`The question reaches ${late}`);
  await stage.release(late);
  await stage.waitApplied(session.clock);
  await stage.waitUntil(async () => !(await stage.held(late, answer)), `${late} holds the answer no more`);
  stage.note(late, "its causal buffer holds nothing of this lesson any more");
  await stage.read(late, question);
  await stage.read(late, answer);
  await stage.clocks();
  stage.why(`applying the question let the answer through, in the same moment: whoever reads the answer at ${late} finds the question too, in whatever order the messages came.`);
}

async function conflict(stage) {
  const [first, second] = stage.nodes;
  const key = stage.key("color");
  const [one, other] = [new Session(), new Session()];
  stage.title("conflict: what two people write at the same time", [key]);

  await stage.step(`${first} and ${second} hear each other late`);
  await stage.delay(first, second);
  await stage.delay(second, first);

  await stage.step(`Somebody writes ${key} at ${first}, somebody else at ${second}`);
  const red = await stage.put(one, first, key, "red");
  const blue = await stage.put(other, second, key, "blue");
  const both = merged(one.clock, other.clock);
  await stage.waitApplied(both, stage.nodes.slice(2));
  await stage.read(first, key);
  await stage.read(second, key);
  await stage.clocks();
  stage.why(`${shown(red)} and ${shown(blue)}: each has a number that is greater than the other's. Neither write has seen the other, so neither replaces it: they are concurrent.`);

  await stage.step("Both writes reach all nodes");
  await stage.release(first);
  await stage.release(second);
  await stage.waitApplied(both);
  for (const node of stage.nodes) await stage.versions(node, key);
  await stage.clocks();
  stage.why("every node keeps both versions as siblings, and a plain read shows the one with the later hybrid timestamp (if those were equal: with the greater replica id). That needs no vote: the timestamp and the replica id travel with the write, so all nodes choose alike, whichever write came first.");

  await stage.step(`Somebody who has seen both writes ${key} again, at ${first}`);
  const reader = new Session();
  await stage.versions(first, key, reader);
  const settled = await stage.put(reader, first, key, "purple");
  await stage.waitApplied(reader.clock);
  for (const node of stage.nodes) await stage.versions(node, key);
  await stage.clocks();
  stage.why(`${shown(settled)} is at or ahead of both ${shown(red)} and ${shown(blue)} in every number: this write has seen them, and replaces them on every node.`);
}

async function partition(stage) {
  const there = stage.nodes[stage.nodes.length - 1];
  const others = stage.nodes.slice(0, -1);
  const [inside, outside] = [stage.key("inside"), stage.key("outside")];
  const [within, without] = [new Session(), new Session()];
  stage.title("partition: nobody has to wait for a network", [inside, outside]);

  await stage.step(`${there} is cut off from the broker`);
  await stage.inject(there, { cut: true });
  stage.note(there, "its connections are broken, and it can make none (/faults)");
  await stage.noteBroker(there, "disconnected");

  await stage.step(`${there} goes on alone`);
  await stage.put(within, there, inside, "written while cut off");
  await stage.read(there, inside);
  stage.note(there, `outbox ${(await stage.status(there)).outbox}: on its disk, to be sent`);
  stage.why("a node answers reads from its own store, and a write is done when it is on its own disk: neither needs the broker. What it cannot send waits in its outbox.");

  await stage.step("The others go on without it");
  await stage.put(without, others[0], outside, "written meanwhile");
  await stage.waitApplied(without.clock, others);
  for (const node of others) await stage.read(node, outside);
  await stage.read(others[0], inside);
  await stage.read(there, outside);
  await stage.clocks();
  stage.why(`two sides, each ahead of the other by what it wrote. The broker keeps what it has for ${there}.`);

  await stage.step("The network heals");
  await stage.inject(there, { cut: false });
  await stage.noteBroker(there, "connected");
  await stage.waitApplied(merged(within.clock, without.clock));
  for (const node of stage.nodes) {
    await stage.read(node, inside);
    await stage.read(node, outside);
  }
  await stage.clocks();
  stage.why(`${there} sent its outbox, and took what had waited in its queue. All nodes have applied the same writes, so they are in the same state; the two writes are concurrent, and neither was lost.`);
}

async function session(stage) {
  const [writer, near, far] = stage.nodes;
  const key = stage.key("balance");
  const [author, reader] = [new Session(), new Session()];
  stage.title("session: a reader that moves between nodes never goes back", [key]);

  await stage.step(`A first value, which all nodes have; then ${far} falls behind ${writer}`);
  await stage.put(author, writer, key, 100);
  await stage.waitApplied(author.clock);
  await stage.delay(far, writer);
  await stage.put(author, writer, key, 250);

  await stage.step(`A reader reads at ${near}`);
  await stage.waitApplied(author.clock, [near]);
  await stage.read(near, key, reader);
  stage.note(near, `the answer carries a token for the reader, X-Causal-Context: ${reader.token}`);
  await stage.clocks();

  await stage.step(`The reader moves to ${far}, and leaves its token behind`);
  await stage.read(far, key);
  stage.why(`${far} does not know what the reader has seen, and shows what it has. The reader goes back in time. This is what happens when a client ignores the token.`);

  await stage.step(`The reader asks ${far} again, with its token`);
  const waiting = async () => (await stage.status(far)).waitingRequests;
  const before = await waiting();
  let isAnswered = false;
  const reading = stage.look(far, key, reader).finally(() => { isAnswered = true; });
  reading.catch(() => {}); // it is looked at below, also when the lesson ends in between
  await stage.waitUntil(async () => isAnswered || (await waiting()) > before, `${far} lets the read wait`);
  stage.note(far, `lets the read wait (${await waiting()} waiting): ${await lack(stage, far, reader)}`);
  stage.why("the token is ahead of the node's clock. An old value would break what the reader relies on.");

  await stage.step(`The missing write reaches ${far}`);
  await stage.release(far);
  stage.tell(await reading);
  await stage.waitApplied(author.clock);
  await stage.clocks();
  stage.why(`${far} answered as soon as its clock had reached the token. So a session reads its own writes, and never an older state than before, whichever node it talks to.`);
}

async function lack(stage, node, reader) {
  const { clock } = await stage.status(node);
  const lacking = missing(clock, reader.clock).map(({ replica, last }) => `${replica}:${last}`);
  return `it lacks ${lacking.join(", ") || "nothing"}`;
}

export const LESSONS = [
  { name: "founding", nodes: 3, needsFaults: false, play: founding, summary: "Three writes at three nodes, the second caused by the first." },
  { name: "held", nodes: 3, needsFaults: true, play: held, summary: "The causal buffer holds an effect until its cause arrives, and names what it waits for." },
  { name: "conflict", nodes: 2, needsFaults: true, play: conflict, summary: "Concurrent writes of one key: siblings, the same winner on all nodes, and a write that settles it." },
  { name: "partition", nodes: 2, needsFaults: true, play: partition, summary: "A node that is cut off keeps reading and writing, and converges when it is back." },
  { name: "session", nodes: 3, needsFaults: true, play: session, summary: "A reader moves between nodes with its token and never goes back; without it, it does." },
];
