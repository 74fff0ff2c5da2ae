/** Learning what was missed: everything after a reconnect, one chat after a gap. */

import { pause } from "../browser/timing.js";

const GAP_MAY_LAST = 1000;
const MOST_ROUNDS = 20;
const MOST_SYNCS = 60; // Each brings up to 20 chats.
const MOST_CHATS_IN_A_FRAME = 400;
const MOST_CHATS = 1000;
const PAGE = 100;

export class CatchUp {
  #api;
  #socket;
  #store;
  #fetching = new Map();
  #gaps = new Set();
  #syncing = false;

  constructor({ api, socket, store }) {
    this.#api = api;
    this.#socket = socket;
    this.#store = store;
  }

  /** Brings the chat list: all of it the first time, then the newest, for cursors that moved. */
  async chats() {
    let cursor = "";
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      const { items, next } = await this.#api.get(`/v1/chats?limit=${PAGE}${cursor}`);
      items.forEach((item) => this.#store.applyChat(item));
      if (!next || this.#store.loaded) break;
      cursor = `&cursor=${encodeURIComponent(next)}`;
    }
    this.#store.loaded = true;
    this.#store.changed();
  }

  /** Brings every chat up to date. Call it once the socket is open, so that nothing falls between. */
  async everything() {
    this.#syncing = true;
    try {
      for (let round = 0; round < MOST_SYNCS; round += 1) {
        const { items, more } = await this.#sync();
        for (const item of items) await this.#take(item);
        if (!more) return;
      }
      throw new Error(); // There is more: the next connection goes on.
    } finally {
      this.#syncing = false;
      for (const chat of this.#store.chats.values()) this.watchGap(chat);
    }
  }

  /** A chat by its id, asked for once if it is new to us. */
  async chat(chatId) {
    if (this.#store.chats.has(chatId)) return this.#store.chats.get(chatId);
    if (!this.#fetching.has(chatId)) {
      const fetched = this.#api.get(`/v1/chats/${encodeURIComponent(chatId)}`);
      this.#fetching.set(chatId, fetched.finally(() => this.#fetching.delete(chatId)));
    }
    return this.#store.applyChat(await this.#fetching.get(chatId));
  }

  /** Another second for what is on its way; then asks for what is missing. */
  async watchGap(chat) {
    if (!chat.hasGap || this.#syncing || this.#gaps.has(chat.id)) return;
    this.#gaps.add(chat.id);
    let asked = 0;
    try {
      for (let wait = GAP_MAY_LAST; wait <= 8 * GAP_MAY_LAST; wait *= 2) {
        await pause(Math.max(wait, asked));
        if (!chat.hasGap || !this.#socket.open) return;
        // The next round, message or sync tries again.
        asked = await this.#changes(chat).then(() => 0, (error) => error.retryAfter ?? 0);
      }
    } finally {
      this.#gaps.delete(chat.id);
    }
  }

  async #sync() {
    const newest = this.#store.sortedChats().slice(0, MOST_CHATS);
    const chats = Object.fromEntries(newest.map((chat) => [chat.id, chat.rev]));
    if (newest.length > MOST_CHATS_IN_A_FRAME) return this.#api.post("/v1/sync", { chats });
    return this.#socket.request("sync", { chats }, 20_000);
  }

  async #take({ chat: snapshot, changes, rev, more }) {
    const known = this.#store.chats.has(snapshot.id);
    const chat = this.#store.applyChat(snapshot);
    changes.forEach((message) => this.#store.applyMessage(message));
    if (more && !known) return; // It starts at its newest message; scrolling brings what is earlier.
    chat.completeTo(rev);
    if (more) await this.#changes(chat);
  }

  async #changes(chat) {
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      const since = chat.rev;
      const answer = await this.#socket.request("chat.changes", { chat_id: chat.id, since, limit: PAGE });
      if (answer.chat) this.#store.applyChat(answer.chat);
      answer.items.forEach((message) => this.#store.applyMessage(message));
      chat.completeTo(answer.rev);
      this.#store.changed();
      if (!answer.more) return;
    }
    chat.restart(await this.#api.get(`/v1/chats/${encodeURIComponent(chat.id)}`));
    this.#store.changed();
  }
}
