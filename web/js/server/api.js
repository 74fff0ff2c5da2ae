/** The HTTP API: JSON in, JSON out, errors as sentences, tokens renewed when they run out. */

import { deviceKey, deviceName } from "../account/device.js";
import { oneTabAtATime } from "../browser/tabs.js";
import { pause } from "../browser/timing.js";
import { toJson } from "../text/text.js";
import { t } from "../text/texts.js";
import { ApiError, fromAnswer } from "./errors.js";

const TIMEOUT = 20_000;
const LONGEST_WAIT = 5000;
const MOST_TRIES = 3;
const NEWS_TAKE = 100; // Milliseconds, between tabs, with room to spare.

async function fetchJson(base, method, path, { body, token } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(base + path, {
      method,
      headers,
      body: body === undefined ? undefined : toJson(body),
      credentials: "omit",
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT),
    });
    if (answer.ok) return answer.status === 204 ? null : await answer.json();
  } catch {
    throw new ApiError(t("net.unreachable"));
  }
  throw await fromAnswer(answer);
}

const PROOF_CODES = new Set(["invalid_credentials", "second_factor_required", "second_factor_invalid", "passkey_invalid"]);

/** What a session is told apart by in the list of devices, and how the server knows this browser. */
function thisDevice(base) {
  return { device_name: deviceName(), device_key: deviceKey(base) };
}

/** `more`: a code as `second_factor`, or an answer as `passkey`, where the server asked for one. */
export function signIn(base, login, password, more = {}) {
  const body = { login, password, ...more, ...thisDevice(base) };
  return fetchJson(base, "POST", "/v1/auth/login", { body });
}

/** `answer(options)`: what a passkey says to them. */
export async function signInByPasskey(base, answer) {
  const { options } = await fetchJson(base, "POST", "/v1/auth/login/passkey/begin");
  const body = { credential: await answer(options), ...thisDevice(base) };
  return fetchJson(base, "POST", "/v1/auth/login/passkey", { body });
}

/** {client_id, authorization_endpoint} of Google. */
export function googleStart(base) {
  return fetchJson(base, "GET", "/v1/auth/google");
}

export function signInWithGoogle(base, given) {
  const body = { ...given, ...thisDevice(base) };
  return fetchJson(base, "POST", "/v1/auth/google", { body });
}

export function register(base, { email, username, display_name, password }) {
  const body = { email, username, display_name, password, ...thisDevice(base) };
  return fetchJson(base, "POST", "/v1/auth/register", { body });
}

/** `username`: which of the accounts with this address is meant; "" leaves it open. */
export function requestReset(base, email, username) {
  const body = username ? { email, username } : { email };
  return fetchJson(base, "POST", "/v1/auth/password/reset-request", { body });
}

export function resetPassword(base, token, new_password) {
  return fetchJson(base, "POST", "/v1/auth/password/reset", { body: { token, new_password } });
}

/** Calls made by someone who is signed in. */
export class Api {
  #refreshing = null;

  constructor(session) {
    this.session = session;
  }

  /** Reading is safe to repeat, so a busy or restarting server gets two more chances. */
  async get(path) {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#call("GET", path);
      } catch (error) {
        const wait = error.retryAfter ?? 500;
        if (!error.transient || error.status === 0 || attempt === 2 || wait > LONGEST_WAIT) throw error;
        await pause(wait);
      }
    }
  }

  post(path, body) {
    return this.#call("POST", path, body);
  }

  put(path, body) {
    return this.#call("PUT", path, body);
  }

  patch(path, body) {
    return this.#call("PATCH", path, body);
  }

  delete(path) {
    return this.#call("DELETE", path);
  }

  async #call(method, path, body) {
    const { session } = this;
    for (let tries = 1; ; tries += 1) {
      const token = session.access_token;
      try {
        return await fetchJson(session.api, method, path, { body, token });
      } catch (error) {
        // After a wrong password or code in a form, the session is still good.
        if (error.status !== 401 || PROOF_CODES.has(error.code)) throw error;
        // The tokens that another tab left may have expired, too.
        if (tries === MOST_TRIES) {
          this.#end();
          throw error;
        }
      }
      await this.#refresh(token);
    }
  }

  #refresh(stale) {
    this.#refreshing ??= oneTabAtATime(`parley.refresh.${this.session.session_id}`, () => this.#renew(stale)).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #renew(stale) {
    const { session } = this;
    await pause(NEWS_TAKE); // Another tab may have had its turn just now.
    session.look();
    if (session.access_token !== stale) return;
    let tokens;
    try {
      tokens = await fetchJson(session.api, "POST", "/v1/auth/refresh", { body: { refresh_token: session.refresh_token } });
    } catch (error) {
      if (!error.transient && error.code) this.#end(); // Our server said this, not a gateway before it.
      throw error;
    }
    session.renew(tokens);
  }

  #end() {
    const reason = t("signOut.ended");
    this.session.end(reason);
    this.session.onEnded?.(reason);
  }
}
