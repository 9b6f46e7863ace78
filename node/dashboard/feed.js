// The nodes as this page sees them: it asks each one directly and again and again, and listens to its events. The members
// are what any node that answers tells, so that the page goes on when the node that it came from is gone.

import { readBuffer, readEvent, readFaults, readStatus } from "./answers.js";
import { ask, errorOf, isThereAnyway } from "./api.js";
import { naturalOrder } from "./clock.js";

const POLL_SECONDS = 1;
const POLL_UNREACHABLE_SECONDS = 2;
const POLL_TIMEOUT_SECONDS = 4;
// Beyond this many nodes each is asked less often, so that a large cluster is no more work than a small one.
const POLLS_PER_SECOND_MAX = 40;
const FAULTS_EVERY_POLLS = 2;
const HELD_WRITES_MAX = 20;
const NODES_MAX = 256; // as many as can be members
// A large cluster is more to draw, and drawn less often.
const TELL_AFTER_MILLISECONDS = 50;
const TELL_AFTER_MILLISECONDS_A_NODE = 4;
const STREAM_RETRY_SECONDS = 10;
const NODE_ID = /^[A-Za-z0-9_-]{1,64}$/;
const NOTHING_HELD = { held: [], count: 0, wrong: [] };

/**
 * `ownUrl`, `ownId`: the node that this page came from; `origins`: whom the page may ask. Each of `nodes` has
 * - id (empty until it has said its name), url (null: not known), isOwn;
 * - state: "connecting", "connected", "unreachable", "unknown" (not asked), why not, and since when, in milliseconds;
 * - status, members, buffer, faults (null: it allows none): its last answers, also when it is not reached any more;
 *   reachedAt: when they came; needsReload: it joined after this page was loaded.
 */
export function createFeed({ ownUrl, ownId, origins }) {
  const allowed = new Set([location.origin, ...origins]);
  const listeners = new Map();
  let nodes = [newNode(ownId, ownUrl, true)];
  let telling = 0;
  let skipped = 0;

  function emit(name, detail) {
    for (const listener of listeners.get(name) ?? []) {
      try {
        listener(detail);
      } catch (error) { // one part of the page must not end the others
        console.error(error);
      }
    }
  }

  function changed() {
    telling ||= setTimeout(() => {
      telling = 0;
      emit("nodes", nodes);
    }, Math.max(TELL_AFTER_MILLISECONDS, TELL_AFTER_MILLISECONDS_A_NODE * nodes.length));
  }

  // ------------------------------------------------------------------------------------------- who belongs to it

  function newNode(id, url, isOwn) {
    return {
      id, url, isOwn, state: "connecting", why: "", since: Date.now(), reachedAt: null, needsReload: false, status: null,
      members: [], buffer: NOTHING_HELD, faults: null, stop: new AbortController(), polls: 0,
    };
  }

  function updateMembers() {
    const urls = new Map();
    const answering = nodes.filter((node) => node.state === "connected");
    for (const node of answering.length > 0 ? answering : nodes) {
      for (const member of node.members) {
        const isNews = member.url !== null || !urls.has(member.node);
        if (NODE_ID.test(member.node) && isNews && urls.size < NODES_MAX) urls.set(member.node, httpUrl(member.url));
      }
    }
    if (urls.size === 0) return;
    for (const node of nodes) {
      // The node that this page came from stays, also when it was removed from the cluster.
      if (!urls.has(node.id) && !node.isOwn) dismiss(node);
    }
    nodes = nodes.filter((node) => urls.has(node.id) || node.isOwn);
    for (const [id, url] of urls) {
      const known = nodes.find((node) => node.id === id);
      if (known === undefined) begin(newNode(id, url, false));
      else if (!known.isOwn && known.url !== url && url !== null) {
        dismiss(known);
        nodes = nodes.filter((node) => node !== known);
        begin(newNode(id, url, false));
      }
    }
    nodes.sort((one, other) => Number(other.isOwn) - Number(one.isOwn) || naturalOrder(one.id, other.id));
  }

  function begin(node) {
    nodes.push(node);
    if (node.url === null) turn(node, "unknown", "nobody knows its address: it has not been heard since the others started, or serves no HTTP");
    else if (!allowed.has(new URL(node.url).origin)) {
      node.needsReload = true;
      turn(node, "unknown", "it joined after this page was loaded, which may ask only those that it knew then");
    } else poll(node);
  }

  function dismiss(node) {
    node.stop.abort();
    closeStream(node);
  }

  // ------------------------------------------------------------------------------------------- asking

  function turn(node, state, why = "") {
    if (node.state !== state) node.since = Date.now();
    node.state = state;
    node.why = why;
    changed();
  }

  async function poll(node) {
    while (!node.stop.signal.aborted) {
      await look(node).catch((error) => console.error(error)); // an answer that nobody foresaw must not end the asking
      const asked = nodes.filter((each) => each.state !== "unknown").length;
      const pause = Math.max(node.state === "connected" ? POLL_SECONDS : POLL_UNREACHABLE_SECONDS, asked / POLLS_PER_SECOND_MAX);
      await new Promise((resolve) => setTimeout(resolve, pause * 1000));
    }
  }

  async function look(node) {
    const { url } = node;
    const question = { timeoutSeconds: POLL_TIMEOUT_SECONDS, signal: node.stop.signal };
    const answer = await ask(url, "/status", question);
    if (node.stop.signal.aborted) return;
    const status = answer.ok && !answer.problem ? readStatus(answer.body) : null;
    const why = status === null ? await whyNot(url, answer) : wrongNode(node, status.node);
    if (node.stop.signal.aborted) return;
    if (status === null || why) {
      closeStream(node);
      turn(node, "unreachable", why);
      return;
    }
    node.id ||= status.node;
    node.status = status;
    node.members = status.members;
    node.reachedAt = Date.now();
    turn(node, "connected");
    updateMembers();
    openStream(node);
    await lookCloser(node, status, question);
    changed();
  }

  async function lookCloser(node, status, question) {
    const { url } = node;
    if (status.held === 0) node.buffer = NOTHING_HELD;
    else {
      const answer = await ask(url, `/buffer?limit=${HELD_WRITES_MAX}`, question);
      if (answer.ok && !answer.problem) node.buffer = readBuffer(answer.body);
    }
    if (!status.faultsAllowed) node.faults = null;
    else if (node.polls % FAULTS_EVERY_POLLS === 0 || node.faults === null) {
      const answer = await ask(url, "/faults", question);
      if (answer.ok && !answer.problem) node.faults = readFaults(answer.body);
    }
    node.polls += 1;
  }

  async function whyNot(url, answer) {
    if (answer.status === 0 && /^http:\/\/(0\.0\.0\.0|\[::\])/.test(url)) {
      return `its address ${url} leads nowhere: set CAUSALKV_ADVERTISED_URL of that node to where browsers reach it`;
    }
    if (answer.status === 0 && answer.problem.startsWith("no connection") && (await isThereAnyway(url))) {
      return `it answers at ${url}, but not to a page from ${location.origin}: open the page at the address that its node advertises`;
    }
    return errorOf(answer);
  }

  function wrongNode(node, name) {
    if (!NODE_ID.test(name)) return `what answers at ${node.url} is no node`;
    return node.id && node.id !== name ? `${name} answers at its address ${node.url}` : "";
  }

  // ------------------------------------------------------------------------------------------- listening

  /** By node: the source of its events, the position of the last one, and when it may be asked again. */
  const streams = new WeakMap();

  function openStream(node) {
    const stream = streams.get(node) ?? { source: null, last: "", retryAt: 0 };
    // A browser has few connections to one host for all its pages: those that nobody looks at leave them to the others.
    if (document.hidden || stream.source !== null || Date.now() < stream.retryAt) return;
    streams.set(node, stream);
    stream.source = new EventSource(`${node.url}/events${stream.last && `?since=${encodeURIComponent(stream.last)}`}`);
    stream.source.onmessage = (message) => {
      stream.last = message.lastEventId || stream.last;
      const event = readEvent(parsed(message.data));
      if (event === null) skipped += 1;
      else emit("event", { ...event, run: stream.last.split("-")[0] });
    };
    stream.source.addEventListener("hello", (message) => emit("hello", parsed(message.data)));
    stream.source.addEventListener("gap", (message) => {
      const dropped = parsed(message.data)?.dropped;
      emit("gap", { node: node.id, dropped: Number.isSafeInteger(dropped) ? dropped : null });
    });
    stream.source.onerror = () => {
      // While it is connecting, the browser tries again by itself; a refusal ends that.
      if (stream.source?.readyState === EventSource.CLOSED) closeStream(node, STREAM_RETRY_SECONDS);
    };
  }

  function closeStream(node, retrySeconds = 0) {
    const stream = streams.get(node);
    stream?.source?.close();
    if (stream) Object.assign(stream, { source: null, retryAt: Date.now() + retrySeconds * 1000 });
  }

  function lookedAt() {
    for (const node of nodes) {
      if (document.hidden) closeStream(node);
      else if (node.state === "connected") openStream(node);
    }
  }

  return {
    /** Own node first, the others in natural order. */
    get nodes() {
      return nodes;
    },
    /** How many events could not be read. */
    get skipped() {
      return skipped;
    },
    /** "nodes": something about them changed; "event": one event; "gap": { node, dropped } some are left out; "hello": what a stream tells first. */
    on(name, listener) {
      const all = listeners.get(name) ?? new Set();
      listeners.set(name, all.add(listener));
      return () => all.delete(listener);
    },
    node(id) {
      return nodes.find((node) => node.id === id);
    },
    start() {
      document.addEventListener("visibilitychange", lookedAt);
      poll(nodes[0]);
    },
  };
}

function httpUrl(url) {
  return url !== null && /^https?:\/\//.test(url) && URL.canParse(url) ? url.replace(/\/+$/, "") : null;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
