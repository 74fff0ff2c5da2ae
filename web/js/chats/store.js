/** What this client knows: chats, their messages in order, people, presence. Knows no network.
 *
 * Messages and events may arrive late, twice and in any order; the result is the same.
 */

import { coalesce } from "../browser/timing.js";
import { t } from "../text/texts.js";
import { Chat } from "./chat.js";

const TYPING_LASTS = 5000;

export class Store {
  chats = new Map();
  people = new Map();
  presence = new Map();
  loaded = false;
  /** Called when a known chat is answered: from then on, we may see presence. */
  onAnswered = null;
  #typing = new Map();
  #listeners = new Set();

  constructor(me) {
    this.me = me;
  }

  /** Calls `listener` soon after anything changed; answers the way to stop it. */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed = coalesce(() => this.#listeners.forEach((listener) => listener()));

  /** Takes a chat as the server describes it, new or known. */
  applyChat(snapshot) {
    let chat = this.chats.get(snapshot.id);
    if (chat) {
      const wasAnswered = chat.answered;
      chat.apply(snapshot);
      if (chat.answered && !wasAnswered) this.onAnswered?.();
    } else {
      chat = new Chat(snapshot, this.me);
      this.chats.set(chat.id, chat);
    }
    this.changed();
    return chat;
  }

  /** Takes a version of a message into a known chat. Returns whether the message is new to us. */
  applyMessage(message) {
    const chat = this.chats.get(message.chat_id);
    const news = chat.merge(message);
    if (news && message.sender_id !== this.me) this.#stopTyping(chat.id);
    this.changed();
    return news;
  }

  /** Takes the state of a known chat from an event. */
  applyState(state) {
    this.chats.get(state.chat_id).applyState(state);
    this.changed();
  }

  applyReceipt({ chat_id, user_id, ...cursors }) {
    this.chats.get(chat_id)?.receipt(user_id, cursors);
    this.changed();
  }

  applyPresence(states) {
    for (const state of states) {
      this.presence.set(state.user_id, state);
      if (!state.online) for (const chat of this.chats.values()) if (chat.partnerId === state.user_id) this.#stopTyping(chat.id);
    }
    this.changed();
  }

  /** Without a connection nobody knows who is there. */
  forgetPresence() {
    this.presence.clear();
    for (const chatId of this.#typing.keys()) this.#stopTyping(chatId);
    this.changed();
  }

  /** Notes that our partner in a direct chat is typing, or has stopped. */
  applyTyping({ chat_id, user_id, typing }) {
    if (this.chats.get(chat_id)?.partnerId !== user_id) return;
    this.#stopTyping(chat_id);
    if (typing) {
      const stop = () => this.applyTyping({ chat_id, user_id, typing: false });
      this.#typing.set(chat_id, setTimeout(stop, TYPING_LASTS));
    }
    this.changed();
  }

  #stopTyping(chatId) {
    clearTimeout(this.#typing.get(chatId));
    this.#typing.delete(chatId);
  }

  isTyping(chatId) {
    return this.#typing.has(chatId);
  }

  applyPerson(person) {
    this.people.set(person.id, person);
    this.changed();
  }

  nameOf(userId) {
    const person = this.people.get(userId);
    if (!person) return "…";
    return person.deleted ? t("chats.deletedUser") : person.display_name || person.username;
  }

  titleOf(chat) {
    return chat.partner ? this.nameOf(chat.partnerId) : (chat.title ?? "");
  }

  /** Whether `titleOf` has a name by now. */
  isNamed(chat) {
    return !chat.partner || this.people.has(chat.partnerId);
  }

  /** What a message says. In a group, the name of its sender stands before it, if it is known yet. */
  signed(chat, message) {
    const text = message.deleted_at ? t("chats.deleted") : (message.content.text ?? t("chats.aMessage"));
    if (chat.partner || message.sender_id === this.me || !this.people.has(message.sender_id)) return text;
    return t("chats.announced", { name: this.nameOf(message.sender_id), text });
  }

  /** Whose names a chat shows: the partner, or those who wrote in a group. */
  idsIn(chat) {
    return chat.partner ? [chat.partnerId] : [...chat.senders];
  }

  /** Newest activity first. */
  sortedChats() {
    return [...this.chats.values()].sort((a, b) => (a.activityAt < b.activityAt ? 1 : -1));
  }

  get unread() {
    return [...this.chats.values()].reduce((sum, chat) => sum + chat.unread, 0);
  }
}
