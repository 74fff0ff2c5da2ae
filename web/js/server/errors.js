/** What can go wrong when talking to the server, as sentences for people. */

import { wait } from "../text/format.js";
import { has, t } from "../text/texts.js";

/** `fields` maps a field's name to its sentence; `transient`: worth trying again; `passkey`: what to
 * ask one, where it would do. */
export class ApiError extends Error {
  constructor(message, { status = 0, code = "", fields = {}, retryAfter = null, passkey = null } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.fields = fields;
    this.retryAfter = retryAfter;
    this.passkey = passkey;
    this.transient = status === 0 || status === 429 || status >= 500;
  }
}

/** The server did not answer in time. */
export class Silence extends ApiError {
  isSilence = true;

  constructor() {
    super(t("net.silence"));
  }
}

/** The socket closed before the answer came: it may be done or not. */
export class ConnectionLost extends ApiError {
  constructor() {
    super(t("net.lost"));
  }
}

const MOST_WAIT = 3_600_000;
/** Milliseconds that a `retry_after` asks for. */
export function waitFor(seconds) {
  return seconds > 0 ? Math.min(seconds * 1000, MOST_WAIT) : 0;
}

const DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /;

/** Milliseconds that a Retry-After asks for, in seconds or until a date (RFC 9110, 10.2.3): an hour at
 * most, null if it asks for nothing. */
export function waitOf(header, now = Date.now()) {
  const asked = (header ?? "").trim();
  let wait = 0;
  if (/^\d+$/.test(asked)) wait = Number(asked) * 1000;
  // The oldest of the three formats has no zone: it means GMT.
  else if (DATE.test(asked)) wait = Date.parse(asked.endsWith("GMT") ? asked : `${asked} GMT`) - now;
  return wait > 0 ? Math.min(wait, MOST_WAIT) : null;
}

/** What to say when the server names no time to wait. */
const WAITS = new Map([["unavailable", "net.trouble"], ["rate_limited", "net.tooMuch"]]);
const TRANSIENT_CODES = new Set(["unavailable", "rate_limited", "internal", "unauthorized"]);

/** From an application/problem+json answer, or whatever came instead. */
export async function fromAnswer(answer) {
  let problem = {};
  try {
    problem = (await answer.json()) ?? {};
  } catch {
    // A gateway in between may answer in its own words; the status still says something.
  }
  const now = Date.parse(answer.headers.get("Date") ?? ""); // Our own clock may be wrong.
  const retryAfter = waitOf(answer.headers.get("Retry-After"), now || Date.now());
  return new ApiError(sentence(problem, answer.status, retryAfter), {
    status: answer.status,
    code: problem.code ?? "",
    fields: fieldsOf(problem),
    retryAfter,
    passkey: problem.passkey ?? null,
  });
}

/** From the `error` of a socket answer. */
export function fromFrame(error) {
  const retryAfter = waitFor(error.retry_after) || null;
  const failure = new ApiError(sentence(error, 400, retryAfter), {
    status: 400,
    code: error.code ?? "",
    fields: fieldsOf(error),
    retryAfter,
  });
  failure.transient = TRANSIENT_CODES.has(error.code);
  return failure;
}

function fieldsOf({ errors }) {
  const fields = {};
  for (const one of Array.isArray(errors) ? errors : []) {
    if (typeof one.message === "string") fields[String(one.field).split(".").pop()] ??= sentenceOf(one);
  }
  return fields;
}

/** What is wrong with a field: by its kind, else as the server says it. */
function sentenceOf({ kind, message, min, max }) {
  const key = `kind.${kind}`;
  const count = min ?? max;
  return has(key, count) ? t(key, { count }) : message;
}

/** What to tell the user about any error, where its fields are not shown. */
export function told(error) {
  const isOurs = error instanceof ApiError || error.constructor === Error;
  const [ofField] = Object.values(error.fields ?? {});
  return isOurs ? (ofField ?? error.message) : t("page.error");
}

function sentence(problem, status, retryAfter) {
  const said = problem.detail ?? problem.message;
  // An error without a code comes from a gateway before our server.
  const key = `error.${problem.code}`;
  const isWait = WAITS.has(problem.code);
  if (isWait && !retryAfter) return t(WAITS.get(problem.code));
  if (has(key)) return t(key, isWait ? { wait: wait(Math.ceil(retryAfter / 1000)) } : {});
  if (problem.code && typeof said === "string" && said) return said;
  if (status === 429) return t("net.tooMuch");
  if (status >= 500) return t("net.trouble");
  return t("net.refused");
}
