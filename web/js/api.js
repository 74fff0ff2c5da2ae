/** The HTTP API: JSON in, JSON out, errors as sentences, tokens renewed when they run out. */

import { deviceKey } from "./device.js";
import { ApiError, fromAnswer } from "./errors.js";
import { pause } from "./timing.js";

const TIMEOUT = 20_000;
const UNREACHABLE = "The server cannot be reached. Check your connection and try again.";
const ENDED = "Your session has ended. Please sign in again.";

async function fetchJson(base, method, path, { body, token } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(base + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT),
    });
    if (answer.ok) return answer.status === 204 ? null : await answer.json();
  } catch {
    throw new ApiError(UNREACHABLE);
  }
  throw await fromAnswer(answer);
}

const PROOF_CODES = new Set(["invalid_credentials", "second_factor_required", "second_factor_invalid", "passkey_invalid"]);

const DEVICE = { device_name: "Web browser" };

/** `more`: a code as `second_factor`, or an answer as `passkey`, where the server asked for one. */
export function signIn(base, login, password, more = {}) {
  const body = { login, password, ...more, ...DEVICE, device_key: deviceKey(base) };
  return fetchJson(base, "POST", "/v1/auth/login", { body });
}

/** `answer(options)`: what a passkey says to them. */
export async function signInByPasskey(base, answer) {
  const { options } = await fetchJson(base, "POST", "/v1/auth/login/passkey/begin");
  const body = { credential: await answer(options), ...DEVICE, device_key: deviceKey(base) };
  return fetchJson(base, "POST", "/v1/auth/login/passkey", { body });
}

/** {client_id, authorization_endpoint} of Google. */
export function googleStart(base) {
  return fetchJson(base, "GET", "/v1/auth/google");
}

export function signInWithGoogle(base, given) {
  const body = { ...given, ...DEVICE, device_key: deviceKey(base) };
  return fetchJson(base, "POST", "/v1/auth/google", { body });
}

export function register(base, { email, username, display_name, password }) {
  const body = { email, username, display_name, password, device_key: deviceKey(base) };
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
        if (!error.transient || error.status === 0 || attempt === 2) throw error;
        await pause(Math.min(error.retryAfter ?? 500, 5000));
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
    const token = session.access_token;
    try {
      return await fetchJson(session.api, method, path, { body, token });
    } catch (error) {
      // After a wrong password or code in a form, the session is still good.
      if (error.status !== 401 || PROOF_CODES.has(error.code)) throw error;
    }
    await this.#refresh(token);
    try {
      return await fetchJson(session.api, method, path, { body, token: session.access_token });
    } catch (error) {
      if (error.status === 401 && !PROOF_CODES.has(error.code)) this.#end();
      throw error;
    }
  }

  #refresh(stale) {
    const renew = async () => {
      if (this.session.access_token !== stale) return;
      const body = { refresh_token: this.session.refresh_token };
      try {
        this.session.renew(await fetchJson(this.session.api, "POST", "/v1/auth/refresh", { body }));
      } catch (error) {
        if (!error.transient) this.#end();
        throw error;
      }
    };
    this.#refreshing ??= oneTabAtATime(`parley.refresh.${this.session.session_id}`, renew).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  #end() {
    this.session.end(ENDED);
    this.session.onEnded?.(ENDED);
  }
}

async function oneTabAtATime(name, renew) {
  if (!navigator.locks) return renew(); // Plain http: there, duplicated tabs must do without.
  return navigator.locks.request(name, { ifAvailable: true }, async (lock) => {
    if (lock) return renew();
    return navigator.locks.request(name, async () => {
      await pause(50); // Lets the other tab's news arrive before we look.
      return renew();
    });
  });
}
