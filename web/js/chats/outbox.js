/** Messages on their way out: in order within a chat, tried again, never lost by a reload.
 *
 * A chat's next message waits for the answer to the one before, because the server handles
 * frames of one socket at the same time. A message keeps its client_id through every try, so
 * a try whose answer was lost does no harm.
 */

import { tab } from "../browser/storage.js";
import { backoff, pause, uuid } from "../browser/timing.js";
import { told } from "../server/errors.js";

const MOST_TRIES = 7;
const MOST_SILENCES = 3;
const FRESH = { state: "queued", tries: 0, silences: 0 };

export class Outbox {
  #send;
  #onSent;
  #onChange;
  #key;
  #entries;
  #busy = new Set();
  #isKept = true;
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

  get count() {
    return this.#entries.length;
  }

  /** Whether closing the page now would lose messages. */
  get isLostWithPage() {
    return !this.#isKept;
  }

  add(chatId, text) {
    const created_at = new Date().toISOString();
    this.#entries.push({ chat_id: chatId, client_id: uuid(), text, created_at, ...FRESH });
    this.#changed();
    this.#run(chatId);
  }

  retry(clientId) {
    const entry = this.#find(clientId);
    if (!entry) return;
    Object.assign(entry, { ...FRESH, error: undefined });
    this.#changed();
    this.#run(entry.chat_id);
  }

  discard(clientId) {
    this.#entries = this.#entries.filter((entry) => entry.client_id !== clientId || entry.state !== "failed");
    this.#changed();
  }

  /** The message is stored: an answer, an event or a page of history said so. */
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
    tab.remove(this.#key);
  }

  async #run(chatId) {
    if (this.#busy.has(chatId)) return;
    this.#busy.add(chatId);
    const next = () => this.of(chatId).find((entry) => entry.state === "queued");
    for (let entry = next(); this.#online && entry; entry = next()) await this.#attempt(entry);
    this.#busy.delete(chatId);
  }

  async #attempt(entry) {
    // Sent again by hand or on a new connection: not before the server wants it.
    const wait = (entry.not_before ?? 0) - Date.now();
    if (wait > 0) await pause(wait);
    if (!this.#online || !this.#find(entry.client_id)) return;
    entry.state = "sending";
    try {
      const message = await this.#send(entry);
      this.#onSent(message);
      this.settle(entry.client_id);
    } catch (error) {
      if (!this.#find(entry.client_id)) return;
      entry.tries += 1;
      entry.silences += error.isSilence ? 1 : 0;
      if (error.retryAfter) entry.not_before = Date.now() + error.retryAfter;
      if (!error.transient) this.#fail([entry], error);
      else if (entry.tries >= MOST_TRIES || entry.silences >= MOST_SILENCES) {
        // Those behind it would fail the same way, and must not overtake it.
        this.#fail(this.of(entry.chat_id).filter((one) => one.state !== "failed"), error);
      } else {
        entry.state = "queued";
        if (this.#online) await pause(backoff(entry.tries - 1));
      }
    }
  }

  #fail(entries, error) {
    for (const entry of entries) Object.assign(entry, { state: "failed", error: told(error) });
    this.#changed();
  }

  #find(clientId) {
    return this.#entries.find((entry) => entry.client_id === clientId);
  }

  #changed() {
    this.#isKept = tab.write(this.#key, this.#entries) || !this.#entries.length;
    this.#onChange();
  }

  #restore() {
    const entries = tab.read(this.#key);
    if (!Array.isArray(entries)) return [];
    return entries.map((entry) => (entry.state === "failed" ? entry : { ...entry, ...FRESH }));
  }
}
