// Asking a node. Nothing here throws: whatever happens is an answer, or a problem in words.

import { parseExactly } from "./text.js";

const ANSWER_BYTES_MAX = 32 * 1024 * 1024;
const AGAIN_SECONDS = 0.3;
export const TIMEOUT_SECONDS = 5;

/**
 * Ask the node at `url`. The question: method, body (JSON), token (what the session has seen), waitSeconds (how long the
 * node may wait for that), timeoutSeconds, signal (gives it up), exactly (keeps numbers as they are written), keepalive
 * (also when the page is closed meanwhile), tries (more than one is for what changes nothing: when its connection breaks,
 * as it does when a network changes, it is asked again). The answer: status (0: none came), ok, body (undefined when it is
 * no JSON), text, token, seconds, and problem: why there is no answer or none that can be read, empty when there is one.
 */
export async function ask(url, path, question = {}) {
  const started = performance.now();
  let answer = await askOnce(url, path, question);
  for (let left = question.tries ?? 1; answer.isCutOff && left > 1; left -= 1) {
    await new Promise((resolve) => setTimeout(resolve, AGAIN_SECONDS * 1000));
    answer = await askOnce(url, path, question);
  }
  answer.seconds = (performance.now() - started) / 1000;
  return answer;
}

async function askOnce(url, path, question) {
  const timeoutSeconds = question.timeoutSeconds ?? TIMEOUT_SECONDS;
  const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
  const answer = { status: 0, ok: false, body: undefined, text: "", token: "", seconds: 0, problem: "", isCutOff: false };
  try {
    const response = await fetch(url + path, {
      ...options(question),
      signal: question.signal ? AbortSignal.any([timeout, question.signal]) : timeout,
    });
    answer.status = response.status;
    answer.ok = response.ok;
    answer.token = response.headers.get("X-Causal-Context") ?? "";
    answer.text = await textOf(response);
    answer.body = question.exactly ? parseExactly(answer.text) : JSON.parse(answer.text);
  } catch (error) {
    answer.problem = problemOf(error, answer, url, timeoutSeconds);
    answer.isCutOff = error instanceof TypeError; // what fetch and a reader throw then
  }
  return answer;
}

function options({ method = "GET", body, token, waitSeconds, keepalive = false }) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token) headers["X-Causal-Context"] = token;
  if (waitSeconds !== undefined) headers["X-Causal-Wait"] = String(waitSeconds);
  return { method, body, headers, keepalive, credentials: "omit", cache: "no-store", redirect: "error" };
}

async function textOf(response) {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let [text, size] = ["", 0];
  for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader?.read()) {
    size += part.value.length;
    if (size > ANSWER_BYTES_MAX) {
      await reader?.cancel();
      throw new RangeError("too large");
    }
    text += decoder.decode(part.value, { stream: true });
  }
  return text + decoder.decode();
}

function problemOf(error, answer, url, timeoutSeconds) {
  if (error instanceof SyntaxError) return `what it answers (status ${answer.status}) is no JSON`;
  if (error instanceof RangeError) return `its answer is larger than ${ANSWER_BYTES_MAX / 1024 / 1024} MiB`;
  const name = error instanceof Error ? error.name : "";
  if (name === "TimeoutError") return `no answer from ${url} within ${timeoutSeconds} s`;
  return name === "AbortError" ? "the request was given up" : `no connection to ${url}`;
}

/** The error that a node answered, in its own words. */
export function errorOf(answer) {
  if (answer.problem) return answer.problem;
  const body = answer.body;
  const said = body !== null && typeof body === "object" && "error" in body ? body.error : undefined;
  return typeof said === "string" ? said : `status ${answer.status} without a reason`;
}

/**
 * Why a node gives no answer: nothing is there, or it is there and refuses pages from here. A browser tells a page no
 * more than that, and this much only when it is asked in another way.
 */
export async function isThereAnyway(url) {
  try {
    await fetch(`${url}/healthz`, { mode: "no-cors", cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(2000) });
    return true;
  } catch {
    return false;
  }
}
