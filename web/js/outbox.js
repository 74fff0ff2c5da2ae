/** Messages on their way out: in order within a chat, tried again, never lost by a reload.
 *
 * A chat's next message waits for the answer to the one before, because the server handles
 * frames of one socket at the same time. A message keeps its client_id through every try, so
 * a try whose answer was lost does no harm.
 */

import { backoff, pause, uuid } from "./timing.js";

const MOST_TRIES = 7;

export class Outbox {
  #send;
  #onSent;
  #onChange;
  #key;
  #entries;
  #busy = new Set();
  #online = false;

  /** `send(entry)` answers the stored message or throws ApiError. */
  constructor({ userId, send, onSent, onChange }) {
    this.#send = send;
    this.#onSent = onSent;
    this.#onChange = onChange;
    this.#key = `parley.outbox.${userId}`;
    this.#entries = this.#restore();
  }

  of(chatId) {
    return this.#entries.filter((entry) => entry.chat_id === chatId);
  }

  add(chatId, text) {
    const created_at = new Date().toISOString();
    this.#entries.push({ chat_id: chatId, client_id: uuid(), text, created_at, state: "queued", tries: 0 });
    this.#changed();
    this.#run(chatId);
  }

  retry(clientId) {
    const entry = this.#find(clientId);
    if (!entry) return;
    Object.assign(entry, { state: "queued", tries: 0, error: undefined });
    this.#changed();
    this.#run(entry.chat_id);
  }

  discard(clientId) {
    this.#entries = this.#entries.filter((entry) => entry.client_id !== clientId || entry.state !== "failed");
    this.#changed();
  }

  /** The message was seen stored, by whatever way that news came. */
  settle(clientId) {
    if (!this.#find(clientId)) return;
    this.#entries = this.#entries.filter((entry) => entry.client_id !== clientId);
    this.#changed();
  }

  setOnline(online) {
    this.#online = online;
    if (online) for (const chatId of new Set(this.#entries.map((entry) => entry.chat_id))) this.#run(chatId);
  }

  clear() {
    this.#online = false;
    this.#entries = [];
    sessionStorage.removeItem(this.#key);
  }

  async #run(chatId) {
    if (this.#busy.has(chatId)) return;
    this.#busy.add(chatId);
    const next = () => this.of(chatId).find((entry) => entry.state === "queued");
    for (let entry = next(); this.#online && entry; entry = next()) await this.#attempt(entry);
    this.#busy.delete(chatId);
  }

  async #attempt(entry) {
    entry.state = "sending";
    try {
      const message = await this.#send(entry);
      this.#onSent(message);
      this.settle(entry.client_id);
    } catch (error) {
      if (!this.#find(entry.client_id)) return;
      entry.tries += 1;
      if (!error.transient) this.#fail([entry], error);
      else if (entry.tries >= MOST_TRIES) {
        // Those behind it would fail the same way, and must not overtake it.
        this.#fail(this.of(entry.chat_id).filter((one) => one.state !== "failed"), error);
      } else {
        entry.state = "queued";
        if (this.#online) await pause(Math.max(backoff(entry.tries - 1), error.retryAfter ?? 0));
      }
    }
  }

  #fail(entries, error) {
    for (const entry of entries) Object.assign(entry, { state: "failed", error: error.message });
    this.#changed();
  }

  #find(clientId) {
    return this.#entries.find((entry) => entry.client_id === clientId);
  }

  #changed() {
    sessionStorage.setItem(this.#key, JSON.stringify(this.#entries));
    this.#onChange();
  }

  #restore() {
    try {
      const entries = JSON.parse(sessionStorage.getItem(this.#key)) ?? [];
      return entries.map((entry) => (entry.state === "failed" ? entry : { ...entry, state: "queued", tries: 0 }));
    } catch {
      return [];
    }
  }
}
