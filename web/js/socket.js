/** One WebSocket that comes back by itself, and requests that are answered or fail. */

import { ApiError, ConnectionLost, fromFrame } from "./errors.js";
import { backoff } from "./timing.js";

const ANSWER_WITHIN = 10_000;
const PING_EVERY = 45_000;
const STEADY_AFTER = 15_000;

/** Calls `onState("connecting" | "open" | "waiting" | "stopped")` and `onEvent(name, data)`. */
export class Socket {
  #getTicket;
  #onState;
  #onEvent;
  #socket = null;
  #state = "stopped";
  #waiting = new Map();
  #number = 0;
  #attempt = 0;
  #generation = 0;
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
    this.#connect();
  }

  stop() {
    window.removeEventListener("online", this.#lookAgain);
    window.removeEventListener("offline", this.#lookAgain);
    document.removeEventListener("visibilitychange", this.#lookAgain);
    this.#release("stopped");
  }

  /** The answer's data; rejects with ApiError, or ConnectionLost if the socket went away. */
  request(action, data = {}, within = ANSWER_WITHIN) {
    if (!this.open) return Promise.reject(new ConnectionLost());
    const id = String((this.#number += 1));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new ApiError("The server took too long to answer."));
      }, within);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ id, action, data }));
    });
  }

  /** Gives this connection up for a new one, after the usual wait. */
  drop(retryAfter = 0) {
    if (this.#state === "stopped") return;
    this.#release("waiting");
    const delay = Math.max(backoff(this.#attempt), retryAfter);
    this.#attempt += 1;
    this.#timers.retry = setTimeout(() => this.#connect(), delay);
  }

  /** Does not wait out the back-off: someone asked. */
  connectNow() {
    if (this.#state === "waiting") this.#connect();
  }

  async #connect() {
    clearTimeout(this.#timers.retry);
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
    if (frame.event) {
      this.#onEvent(frame.event, frame.data);
      return;
    }
    const request = this.#waiting.get(frame.re);
    if (!request) return;
    this.#waiting.delete(frame.re);
    clearTimeout(request.timer);
    if (frame.error) request.reject(fromFrame(frame.error));
    else request.resolve(frame.data);
    if (frame.error?.code === "unauthorized") this.drop();
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
    if (this.open) this.#ping(3000);
    else if (this.#state === "waiting" && navigator.onLine) {
      clearTimeout(this.#timers.retry);
      this.#timers.retry = setTimeout(() => this.#connect(), Math.random() * 1000);
    }
  };

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
