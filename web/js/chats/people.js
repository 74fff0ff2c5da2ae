/** The people in the chats: who they are, and whether they are online. */

import { backoff, pause } from "../browser/timing.js";

const MOST_WATCHED = 100;
const PROFILES_AT_ONCE = 100;
const MOST_TRIES = 5;

export class People {
  #api;
  #socket;
  #store;
  #tries = new Map();
  #asking = false;

  constructor({ api, socket, store }) {
    this.#api = api;
    this.#socket = socket;
    this.#store = store;
  }

  /** Watches the partners of the newest chats, and no longer those watched before. */
  async watch() {
    const chats = this.#store.sortedChats().filter((chat) => chat.partner);
    const user_ids = chats.slice(0, MOST_WATCHED).map((chat) => chat.partnerId);
    if (!user_ids.length || !this.#socket.open) return;
    try {
      const { items } = await this.#socket.request("presence.watch", { user_ids });
      this.#store.applyPresence(items);
    } catch {
      // Nobody shows as online until the next connection or new chat.
    }
  }

  /** Asks for all who are not known yet, the newest chats first, in one question at a time. */
  async lookUp() {
    const { people } = this.#store;
    const due = (id) => !people.has(id) && (this.#tries.get(id) ?? 0) < MOST_TRIES;
    const shown = new Set(this.#store.sortedChats().flatMap((chat) => this.#store.idsIn(chat)));
    const ids = [...shown].filter(due).slice(0, PROFILES_AT_ONCE);
    if (this.#asking || !ids.length) return;
    this.#asking = true;
    try {
      const { items } = await this.#api.get(`/v1/users?ids=${ids.join(",")}`);
      items.forEach((person) => this.#store.applyPerson(person));
      for (const id of ids) if (!people.has(id)) this.#store.applyPerson({ id, deleted: true });
    } catch (error) {
      const tries = Math.max(...ids.map((id) => this.#tries.get(id) ?? 0));
      for (const id of ids) this.#tries.set(id, tries + 1);
      await pause(Math.max(backoff(tries), error.retryAfter ?? 0));
    }
    this.#asking = false;
    this.#store.changed();
  }

  /** Allows requests again for people whose requests failed too often. */
  askAgain() {
    this.#tries.clear();
  }
}
