/** Waiting, giving up, and not doing so all at once. */

export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Milliseconds before try number `attempt` (from 0): doubling, capped, and spread out so that
 * thousands of clients cut off together do not come back together. */
export function backoff(attempt, { first = 1000, most = 30_000 } = {}) {
  const ceiling = Math.min(most, first * 2 ** attempt);
  return ceiling * (0.3 + 0.7 * Math.random());
}

/** Calls `fn` once, soon, however often it is asked. */
export function coalesce(fn, milliseconds = 0) {
  let timer = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      fn();
    }, milliseconds);
  };
}

/** A random UUID; crypto.randomUUID is missing on plain http. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
