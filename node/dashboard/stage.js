// The cluster as a lesson uses it: its nodes, faults that surely end, and waits for conditions instead of pauses. The
// same as the command line's `client demo --scenario` has (client/lessons/stage.py); a test holds the two together.

import { isObject, readBuffer, readFaults, readFound, readStatus, readWritten } from "./answers.js";
import { ask, errorOf } from "./api.js";
import { byNode, covers, merged, naturalOrder } from "./clock.js";
import * as moments from "./moments.js";
import { Session } from "./session.js";

// Long enough for a message to come through a broker that just restarted.
const WAIT_SECONDS = 40;
const LOOK_AGAIN_MILLISECONDS = 50;
// Longer than anybody looks at a lesson: what is delayed comes when the lesson lets it.
const DELAY_SECONDS = 900;
const READ_WAIT_SECONDS = 60;

/** What a lesson does is shown by itself, moment by moment. Throws an Error when it cannot go on. */
export class Stage {
  /**
   * `signal` ends the lesson; `tell` shows an element; `warn` a text that the reader must know beside the lesson;
   * `nextStep` waits until the reader wants the next step, which is then begun under its number.
   */
  constructor(nodes, { signal, tell, warn, nextStep }) {
    Object.assign(this, { signal, tell, warn, nextStep });
    const reached = nodes.filter((node) => node.state === "connected");
    this.urls = new Map(reached.map((node) => [node.id, node.url]));
    this.nodes = [...this.urls.keys()].sort(naturalOrder);
    this.missing = nodes.filter((node) => !reached.includes(node)).map((node) => node.id);
    this.changed = new Set(); // nodes at which faults may be in force
    this.run = Math.random().toString(16).slice(2, 8).padEnd(6, "0");
  }

  /** Make sure that the lesson begins with enough nodes that are linked, equal, and free of faults. */
  async begin({ nodes, needsFaults }) {
    if (this.nodes.length < nodes) throw new Error(`this lesson needs ${nodes} nodes, and finds ${this.nodes.join(", ") || "none"}`);
    if (this.missing.length > 0) this.warn(`The lesson goes without ${this.missing.join(", ")}, which cannot be reached.`);
    if (!needsFaults) return;
    for (const node of this.nodes) {
      const { delay, drop, duplicate, cut, wallOffset } = readFaults((await this.ask(node, "/faults")).body);
      if (cut || wallOffset !== 0 || [delay, drop, duplicate].some((each) => Object.keys(each).length > 0)) {
        this.warn(`${node} still had faults in force, of an earlier lesson or test: they are ended.`);
        await this.inject(node, { clear: true });
      }
    }
    for (const node of this.nodes) await this.waitBroker(node, "connected");
    await this.waitApplied(await this.knownAnywhere());
  }

  /** End all faults that this lesson began, also when it failed; the nodes at which that did not work. */
  async end() {
    const nodes = [...this.changed].sort(naturalOrder);
    const answers = await Promise.all(nodes.map((node) => this.clear(node)));
    return nodes.filter((_node, at) => !answers[at].ok);
  }

  /** As above, while the page is being closed, when nobody can wait for answers. */
  endAtOnce() {
    this.changed.forEach((node) => this.clear(node));
  }

  clear(node) {
    return ask(this.urls.get(node), "/faults", { method: "POST", body: '{"clear": true}', keepalive: true });
  }

  /** An answer that is good, or has one of these statuses. */
  async ask(node, path, question = {}, ...statuses) {
    // What changes nothing is asked again when its connection breaks.
    const tries = question.method ? 1 : 2;
    const answer = await ask(this.urls.get(node), path, { signal: this.signal, tries, ...question });
    if (answer.problem || !(answer.ok || statuses.includes(answer.status))) throw new Error(`${node}: ${errorOf(answer)}`);
    return answer;
  }

  // ---- telling

  title(text, keys) {
    this.tell(moments.title(text, keys));
  }

  async step(text) {
    this.tell(moments.step(`Step ${await this.nextStep()}: ${text}`));
  }

  why(text) {
    this.tell(moments.why(text));
  }

  note(node, text) {
    this.tell(moments.note(node, text));
  }

  // ---- faults

  /** Put faults in force at a node; they end with the lesson at the latest. */
  async inject(node, change) {
    this.changed.add(node);
    await this.ask(node, "/faults", { method: "POST", body: JSON.stringify(change) });
  }

  async delay(node, origin) {
    await this.inject(node, { delay: { [origin]: DELAY_SECONDS } });
    this.note(node, `from now on messages from ${origin} come late (/faults)`);
  }

  async release(node) {
    await this.inject(node, { clear: true });
    this.note(node, "the fault is over: what was kept from it comes");
  }

  // ---- writing and reading

  /** A key that no other run uses. */
  key(name) {
    return `${name}-${this.run}`;
  }

  /** The clock of the write. */
  async put(session, node, key, value) {
    const answer = await this.ask(node, "/put", { method: "POST", body: JSON.stringify({ key, value }), token: session.token });
    session.saw(answer.token);
    const { vc } = readWritten(answer.body);
    this.tell(moments.stored(node, key, value, vc));
    return vc;
  }

  /** Show what `session` is shown, or somebody who has seen nothing. */
  async read(node, key, session) {
    this.tell(await this.look(node, key, session));
  }

  async look(node, key, session = new Session()) {
    const question = { token: session.token, waitSeconds: READ_WAIT_SECONDS, timeoutSeconds: READ_WAIT_SECONDS + 5 };
    const look = () => this.ask(node, `/get?key=${encodeURIComponent(key)}`, question, 404, 503);
    let answer = await look();
    // Who goes through the lesson step by step may let a read wait for longer than a node does.
    while (answer.status === 503 && isObject(answer.body?.missing)) answer = await look();
    if (answer.status === 503) throw new Error(`${node}: ${errorOf(answer)}`);
    session.saw(answer.token);
    const { value, vc } = answer.ok ? readFound(answer.body) : { vc: null };
    return moments.shown(node, key, value, vc);
  }

  /** Show all versions of a key that a node has. */
  async versions(node, key, session = new Session()) {
    const answer = await this.ask(node, `/get?key=${encodeURIComponent(key)}&siblings=true`, { token: session.token });
    session.saw(answer.token);
    this.tell(moments.versions(node, key, readFound(answer.body).siblings));
  }

  // ---- looking

  async status(node) {
    return readStatus((await this.ask(node, "/status")).body);
  }

  async clocks() {
    const statuses = await Promise.all(this.nodes.map((node) => this.status(node)));
    this.tell(moments.clocks(statuses.map(({ node, clock }) => ({ name: node, head: node, counts: byNode(clock) }))));
  }

  async knownAnywhere() {
    const statuses = await Promise.all(this.nodes.map((node) => this.status(node)));
    return merged(...statuses.map((status) => status.clock));
  }

  /** The held write of a key, if the node holds one. */
  async held(node, key) {
    const { held } = readBuffer((await this.ask(node, "/buffer?limit=1000")).body);
    return held.find((each) => each.keys.includes(key));
  }

  /** Wait until a node holds the write of a key; the dot that this waits for. */
  async waitHeld(node, key) {
    let found;
    await this.waitUntil(async () => (found = await this.held(node, key)), `${node} holds the write of ${key}`);
    this.tell(moments.held(node, found));
    return found.waitsFor;
  }

  /** The dot of the last write of a node that a session has seen. */
  async lastDot(session, node) {
    const { replica } = await this.status(node);
    return `${replica}:${session.clock[replica]}`;
  }

  // ---- waiting

  async waitUntil(condition, what) {
    const deadline = performance.now() + WAIT_SECONDS * 1000;
    while (!(await condition())) {
      if (performance.now() > deadline) throw new Error(`not within ${WAIT_SECONDS} s: ${what}; the Cluster view says more`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MILLISECONDS));
      this.signal.throwIfAborted();
    }
  }

  async waitBroker(node, state) {
    await this.waitUntil(async () => (await this.status(node)).broker === state, `${node} says that its broker is ${state}`);
  }

  async noteBroker(node, state) {
    await this.waitBroker(node, state);
    this.note(node, `broker: ${state}`);
  }

  /** Wait until these nodes have applied all that a clock counts. */
  async waitApplied(clock, nodes = this.nodes) {
    for (const node of nodes) {
      await this.waitUntil(async () => covers((await this.status(node)).clock, clock), `${node} has applied what was written`);
    }
  }
}
