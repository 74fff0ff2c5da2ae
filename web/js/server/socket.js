/** One WebSocket that comes back by itself, and requests that are answered or fail. */

import { backoff } from "../browser/timing.js";
import { toJson } from "../text/text.js";
import { t } from "../text/texts.js";
import { ApiError, ConnectionLost, fromFrame, Silence, waitFor } from "./errors.js";

const ANSWER_WITHIN = 10_000;
const PING_EVERY = 45_000;
const PROOF_WITHIN = 3000;
const STEADY_AFTER = 15_000;

/** Calls `onState("connecting" | "open" | "waiting" | "stopped")` and `onEvent(name, data)`. */
export class Socket {
  #getTicket;
  #onState;
  #onEvent;
  #socket = null;
  #state = "stopped";
  #waiting = new Map();
  #suspects = new Set();
  #number = 0;
  #attempt = 0;
  #generation = 0;
  #notBefore = 0;
  #surplus = false;
  #timers = { retry: null, ping: null, steady: null };

  constructor({ getTicket, onState, onEvent }) {
    this.#getTicket = getTicket;
    this.#onState = onState;
    this.#onEvent = onEvent;
  }

  get open() {
    return this.#state === "open";
  }

  start() {
    if (this.#state !== "stopped") return;
    window.addEventListener("online", this.#lookAgain);
    window.addEventListener("offline", this.#lookAgain);
    document.addEventListener("visibilitychange", this.#lookAgain);
    window.addEventListener("focus", this.#comeBack);
    this.#connect();
  }

  stop() {
    window.removeEventListener("online", this.#lookAgain);
    window.removeEventListener("offline", this.#lookAgain);
    document.removeEventListener("visibilitychange", this.#lookAgain);
    window.removeEventListener("focus", this.#comeBack);
    this.#release("stopped");
  }

  /** The answer's data; rejects with ApiError, or ConnectionLost if the socket went away. */
  request(action, data = {}, within = ANSWER_WITHIN) {
    if (!this.open) return Promise.reject(new ConnectionLost());
    const id = String((this.#number += 1));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Silence());
        if (action !== "ping") this.#ping(PROOF_WITHIN);
      }, within);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#socket.send(toJson({ id, action, data }));
    });
  }

  /** Gives this connection up for a new one, after the usual wait. */
  drop(retryAfter = 0) {
    if (this.#state === "stopped") return;
    this.#release("waiting");
    const delay = Math.max(backoff(this.#attempt), retryAfter);
    this.#attempt += 1;
    this.#notBefore = Date.now() + retryAfter;
    this.#timers.retry = setTimeout(() => this.#connect(), delay);
  }

  /** Leaves this connection to other windows until somebody comes back to this one. */
  #giveWay() {
    if (this.#state === "stopped") return;
    this.#surplus = true;
    this.#release("waiting");
  }

  /** Does not wait out the back-off: someone asked. */
  connectNow() {
    if (this.#state === "waiting" && !this.isHeld) this.#connect();
  }

  /** Whether the server asked to wait before the next connection. */
  get isHeld() {
    return Date.now() < this.#notBefore;
  }

  /** Whether other windows have taken the place of this connection. */
  get isSurplus() {
    return this.#surplus;
  }

  async #connect() {
    clearTimeout(this.#timers.retry);
    this.#surplus = false;
    const generation = (this.#generation += 1);
    const current = () => generation === this.#generation;
    this.#setState("connecting");
    let ticket;
    try {
      ticket = await this.#getTicket();
    } catch (error) {
      if (current()) this.drop(error.retryAfter ?? 0);
      return;
    }
    if (!current()) return;
    const socket = new WebSocket(`${ticket.url}?ticket=${encodeURIComponent(ticket.ticket)}`);
    this.#socket = socket;
    const tooLate = setTimeout(() => current() && this.drop(), ANSWER_WITHIN);
    socket.onopen = () => {
      clearTimeout(tooLate);
      if (!current()) return;
      this.#timers.ping = setInterval(() => this.#ping(ANSWER_WITHIN), PING_EVERY);
      // Only a connection that lasts forgives earlier failures, or a flapping one would hammer.
      this.#timers.steady = setTimeout(() => (this.#attempt = 0), STEADY_AFTER);
      this.#setState("open");
    };
    socket.onmessage = ({ data }) => current() && this.#receive(data);
    socket.onclose = () => {
      clearTimeout(tooLate);
      if (current()) this.drop();
    };
  }

  #receive(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    if (frame === null || typeof frame !== "object") return;
    if (frame.event) {
      if (frame.event === "rate_limited") this.drop(waitFor(frame.data?.retry_after));
      else if (frame.event === "socket.closing" && frame.data?.reason === "too_many_sockets") this.#giveWay();
      else if (frame.event === "socket.closing") this.drop();
      else this.#onEvent(frame.event, frame.data);
      return;
    }
    const request = this.#waiting.get(frame.re);
    if (request) this.#settle(frame.re, frame);
    else if ((frame.re ?? null) === null) this.#refuseOne(frame);
    if (frame.error?.code === "unauthorized") this.drop();
  }

  #settle(id, { data, error }) {
    const { resolve, reject, timer } = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(timer);
    if (error) reject(fromFrame(error));
    else resolve(data);
    this.#judge();
  }

  /** One request was refused, and the answer does not say which. If it is not the only one, it is
   * among those that stay without an answer. */
  #refuseOne({ error }) {
    const problem = error ?? { code: "internal", message: t("net.trouble") };
    const suspects = { problem, ids: [...this.#waiting.keys()] };
    this.#suspects.add(suspects);
    this.#judge();
    setTimeout(() => {
      if (!this.#suspects.delete(suspects)) return;
      const left = suspects.ids.filter((id) => this.#waiting.has(id));
      // Any of them may be a good one, so they are worth another try.
      for (const id of left) this.#settle(id, { error: { ...problem, code: "internal" } });
    }, PROOF_WITHIN);
  }

  #judge() {
    for (const suspects of this.#suspects) {
      const left = suspects.ids.filter((id) => this.#waiting.has(id));
      if (left.length > 1) continue;
      this.#suspects.delete(suspects);
      if (left.length) this.#settle(left[0], { error: suspects.problem });
    }
  }

  async #ping(within) {
    const generation = this.#generation;
    try {
      await this.request("ping", {}, within);
    } catch (error) {
      // An error that was answered proves the connection; silence means it is dead.
      if (generation === this.#generation && this.open && error.status === 0) this.drop();
    }
  }

  // The network changed, or the tab woke up. navigator.onLine may be wrong about a server
  // on this machine, so it only makes us look, and never keeps us from trying.
  #lookAgain = () => {
    if (document.visibilityState === "hidden" && navigator.onLine) return;
    if (this.open) this.#ping(PROOF_WITHIN);
    else if (this.#state === "waiting" && navigator.onLine && !this.isHeld) {
      clearTimeout(this.#timers.retry);
      this.#timers.retry = setTimeout(() => this.#connect(), Math.random() * 1000);
    }
  };

  #comeBack = () => this.#surplus && this.connectNow();

  #release(state) {
    this.#generation += 1;
    Object.values(this.#timers).forEach((timer) => clearTimeout(timer));
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    this.#setState(state);
    const requests = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject, timer } of requests) {
      clearTimeout(timer);
      reject(new ConnectionLost());
    }
  }

  #setState(state) {
    this.#state = state;
    this.#onState(state);
  }
}
