/** Telling the others what arrived and what was read: one cursor per chat, moved forward. */

import { coalesce, pause } from "../browser/timing.js";

const MOST_TRIES = 5;

export class Receipts {
  #socket;
  #store;
  #isRead;
  #running = false;
  #refused = new Set();

  /** `isRead(chat)`: is someone looking at its newest messages right now? */
  constructor({ socket, store, isRead }) {
    this.#socket = socket;
    this.#store = store;
    this.#isRead = isRead;
  }

  /** Looks soon whether there is something to tell. */
  check = coalesce(() => this.#run(), 20);

  async #run() {
    if (this.#running) return;
    this.#running = true;
    let failures = 0;
    for (let due = this.#due(); due && this.#socket.open; due = this.#due()) {
      const { chat, action, seq } = due;
      try {
        await this.#socket.request(action, { chat_id: chat.id, seq });
        const moved = action === "chat.read" ? { read_seq: seq } : { delivered_seq: seq };
        chat.receipt(chat.me, moved);
        this.#store.changed();
      } catch (error) {
        failures += 1;
        if (!error.transient) this.#refused.add(chat.id);
        // The next message or reconnect looks again, so giving up here loses nothing.
        else if (failures === MOST_TRIES) break;
        else await pause(error.retryAfter ?? 1000 * failures);
      }
    }
    this.#running = false;
  }

  #due() {
    for (const chat of this.#store.chats.values()) {
      if (this.#refused.has(chat.id)) continue;
      const seq = chat.receivedSeq;
      if (seq > chat.readSeq && this.#isRead(chat)) return { chat, action: "chat.read", seq };
      if (seq > chat.deliveredSeq) return { chat, action: "chat.delivered", seq };
    }
    return null;
  }
}
