/** What can go wrong when talking to the server, as sentences for people. */

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

/** The socket went away before the answer came: nobody knows whether it was done. */
export class ConnectionLost extends ApiError {
  constructor() {
    super("The connection was lost.");
  }
}

const TRANSIENT_CODES = new Set(["unavailable", "rate_limited", "internal", "unauthorized"]);

/** From an application/problem+json answer, or whatever came instead. */
export async function fromAnswer(answer) {
  let problem = {};
  try {
    problem = await answer.json();
  } catch {
    // A gateway in between may answer in its own words; the status still says something.
  }
  const seconds = Number(answer.headers.get("Retry-After"));
  return new ApiError(sentence(problem, answer.status), {
    status: answer.status,
    code: problem.code ?? "",
    fields: fieldsOf(problem),
    retryAfter: seconds > 0 ? seconds * 1000 : null,
    passkey: problem.passkey ?? null,
  });
}

/** From the `error` of a socket answer. */
export function fromFrame(error) {
  const failure = new ApiError(sentence(error, 400), {
    status: 400,
    code: error.code,
    fields: fieldsOf(error),
    retryAfter: error.retry_after > 0 ? error.retry_after * 1000 : null,
  });
  failure.transient = TRANSIENT_CODES.has(error.code);
  return failure;
}

function fieldsOf({ errors }) {
  const fields = {};
  for (const { field, message } of Array.isArray(errors) ? errors : []) {
    fields[String(field).split(".").pop()] ??= message;
  }
  return fields;
}

function sentence(problem, status) {
  const said = problem.detail ?? problem.message ?? problem.title;
  if (typeof said === "string" && said) return said;
  if (status === 429) return "That was a bit much at once. Wait a moment and try again.";
  if (status >= 500) return "The server is having trouble. Try again in a moment.";
  return "The server did not accept that.";
}
