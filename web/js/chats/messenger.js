/** Everything a signed-in person can do, tying the API, the socket and the store together. */

import { backoff, pause } from "../browser/timing.js";
import { told } from "../server/errors.js";
import { Socket } from "../server/socket.js";
import { inAddress } from "../text/text.js";
import { t } from "../text/texts.js";
import { CatchUp } from "./catchup.js";
import { Drafts } from "./drafts.js";
import { Outbox } from "./outbox.js";
import { Receipts } from "./receipts.js";
import { Store } from "./store.js";

const HISTORY_PAGE = 50;
const MOST_WATCHED = 100;
const PROFILES_AT_ONCE = 100;
const MOST_TRIES = 5;
const TYPING_EVERY = 3000;
const ENDED = new Map([
  ["signed_out", "signOut.elsewhere"],
  ["password_changed", "signOut.passwordChanged"],
  ["too_many_sessions", "signOut.tooMany"],
  ["account_suspended", "signOut.suspended"],
  ["account_deleted", "signOut.accountDeleted"],
]);

export class Messenger {
  /** "connecting", "catching-up", "online" or "waiting". */
  status = "connecting";
  everOnline = false;
  #firstLoad = null;
  #typing = { chatId: null, at: 0 };
  #typingFrom = 0;
  #visible = null;
  #asked = new Map();
  #asking = false;
  #arrival = 0;
  #receipts;
  #socket;
  #catchUp;

  constructor(api, session) {
    this.api = api;
    this.session = session;
    const me = session.user.id;
    const store = (this.store = new Store(me));
    this.store.applyPerson(session.user);
    this.#socket = new Socket({
      getTicket: () => api.post("/v1/socket-tickets", {}),
      onState: (state) => this.#onSocket(state),
      onEvent: (name, data) => this.#onEvent(name, data),
    });
    this.#catchUp = new CatchUp({ api, socket: this.#socket, store });
    this.#receipts = new Receipts({ socket: this.#socket, store, isRead: (chat) => this.#visible === chat.id });
    this.drafts = new Drafts(me, () => store.changed());
    this.outbox = new Outbox({
      userId: me,
      send: ({ chat_id, client_id, text }) =>
        this.#socket.request("message.send", { chat_id, client_id, content: { kind: "text", text } }),
      onSent: (message) => this.#take(message),
      onChange: () => store.changed(),
    });
    store.subscribe(() => {
      this.#lookUpPeople();
      this.#receipts.check();
    });
  }

  start() {
    this.#firstLoad = this.#catchUp.chats().catch(() => null);
    this.#socket.start();
    this.lookAtProfile().catch(() => null); // Else as last seen.
  }

  /** Takes our own profile from the server. */
  async lookAtProfile() {
    this.setUser(await this.api.get("/v1/users/me"));
  }

  /** Our own profile, as the server has it now. */
  setUser(user) {
    this.session.updateUser(user);
    this.store.applyPerson(user);
  }

  stop() {
    this.drafts.stop();
    this.#socket.stop();
    this.outbox.setOnline(false);
  }

  /** Whether the server asked to wait before the next connection. */
  get isHeld() {
    return this.#socket.isHeld;
  }

  /** Whether other windows have taken the place of this connection. */
  get isSurplus() {
    return this.#socket.isSurplus;
  }

  reconnect() {
    this.#socket.connectNow();
  }

  /** The chat with the one person who has exactly this username. */
  async startChat(username) {
    const found = await this.api.get(`/v1/users?username=${inAddress(username)}`);
    const person = found.items ? found.items[0] : found;
    this.store.applyPerson(person);
    const snapshot = await this.api.post("/v1/chats", { kind: "direct", user_id: person.id });
    const chat = this.store.applyChat(snapshot);
    this.#watchPresence();
    return chat;
  }

  send(chatId, text) {
    this.stopTyping();
    this.outbox.add(chatId, text);
    this.onSend?.();
  }

  /** Brings an earlier page of history; one at a time for a chat. */
  async loadEarlier(chat) {
    if (chat.loading || !chat.hasEarlier) return;
    chat.loading = true;
    this.store.changed();
    const { floor } = chat;
    try {
      const path = `/v1/chats/${encodeURIComponent(chat.id)}/messages`;
      const { items, next } = await this.api.get(`${path}?before=${floor}&limit=${HISTORY_PAGE}`);
      if (chat.floor === floor) chat.prepend(items, Number(next ?? 0)); // Else the chat was loaded again meanwhile.
      chat.loadError = null;
    } catch (error) {
      chat.failedToLoad(told(error), error.retryAfter);
    } finally {
      chat.loading = false;
      this.store.changed();
    }
  }

  /** Says that the user sees the newest messages of this chat. null: of no chat. */
  setVisible(chatId) {
    this.#visible = chatId;
    if (chatId) this.#receipts.check();
  }

  /** Tells the others, but not at every key. */
  typing(chatId) {
    if (this.#typing.chatId === chatId && Date.now() - this.#typing.at < TYPING_EVERY) return;
    if (this.#typing.chatId !== chatId) this.stopTyping();
    this.#typing = { chatId, at: Date.now() };
    this.#sendTyping(chatId, true);
  }

  stopTyping() {
    const { chatId } = this.#typing;
    this.#typing = { chatId: null, at: 0 };
    if (chatId) this.#sendTyping(chatId, false);
  }

  #sendTyping(chat_id, typing) {
    if (Date.now() < this.#typingFrom) return;
    const held = (error) => (this.#typingFrom = Date.now() + (error.retryAfter ?? 0));
    this.#socket.request("chat.typing", { chat_id, typing }).catch(held); // The others can do without it.
  }

  async #onSocket(state) {
    this.outbox.setOnline(state === "open");
    if (state === "open") {
      await this.#arrive();
      return;
    }
    if (state === "waiting") {
      this.#typing = { chatId: null, at: 0 };
      this.store.forgetPresence();
    }
    this.#setStatus(state === "stopped" ? "waiting" : state);
  }

  async #arrive() {
    const arrival = (this.#arrival += 1);
    const current = () => this.#socket.open && arrival === this.#arrival;
    this.#setStatus("catching-up");
    for (let attempt = 0; current(); attempt += 1) {
      try {
        await this.#firstLoad;
        if (!this.store.loaded || this.everOnline) await this.#catchUp.chats();
        await this.#catchUp.everything();
        if (!current()) return;
        this.everOnline = true;
        for (const chat of this.store.chats.values()) chat.forgiveLoading();
        this.#asked.clear();
        this.#setStatus("online");
        this.#watchPresence();
        this.#receipts.check();
        return;
      } catch (error) {
        if (!current()) return;
        if (attempt === 2) {
          this.#socket.drop(error.retryAfter ?? 0);
          return;
        }
        await pause(Math.max(backoff(attempt), error.retryAfter ?? 0));
      }
    }
  }

  #onEvent(name, data) {
    if (name === "message.new") this.#take(data);
    else if (name === "chat.receipt") this.store.applyReceipt(data);
    else if (name === "chat.typing" && data.user_id !== this.store.me) this.store.applyTyping(data);
    else if (name === "presence") this.store.applyPresence([data]);
    else if (name === "account.signed_in") this.onSignedIn?.(data);
    else if (name === "account.email_changed") this.lookAtProfile().catch(() => null);
    else if (name === "session.ended") this.#end(data.reason);
  }

  /** The server has ended the session, and says why. */
  #end(why) {
    if (why === "account_deleted") {
      this.outbox.clear();
      this.drafts.clear();
    }
    const reason = t(ENDED.get(why) ?? "signOut.ended");
    this.session.end(reason);
    this.session.onEnded?.(reason);
  }

  async #take(message) {
    const known = this.store.chats.has(message.chat_id);
    let chat;
    try {
      chat = await this.#catchUp.chat(message.chat_id);
    } catch (error) {
      if (error.status !== 404) this.#socket.drop(error.retryAfter ?? 0); // Coming back brings it.
      return;
    }
    const news = this.store.applyMessage(message) || !known;
    if (!chat.answered) this.#lookWhetherAnswered(chat);
    this.outbox.settle(message.client_id);
    this.#catchUp.watchGap(chat);
    if (!known) this.#watchPresence();
    if (news && message.sender_id !== this.store.me) this.onMessage?.(chat, message);
  }

  /** Receipts and presence are ours to see once both have written. */
  async #lookWhetherAnswered(chat) {
    try {
      this.store.applyChat(await this.api.get(`/v1/chats/${encodeURIComponent(chat.id)}`));
    } catch {
      return; // The next message or connection looks again.
    }
    if (chat.answered) this.#watchPresence();
  }

  async #watchPresence() {
    const chats = this.store.sortedChats().slice(0, MOST_WATCHED);
    const user_ids = chats.map((chat) => chat.partnerId);
    if (!user_ids.length || !this.#socket.open) return;
    try {
      const { items } = await this.#socket.request("presence.watch", { user_ids });
      this.store.applyPresence(items);
    } catch {
      // Nobody shows as online until the next connection or new chat.
    }
  }

  /** Asks for all who are not known yet, the newest chats first, in one question at a time. */
  async #lookUpPeople() {
    const { people } = this.store;
    const due = (id) => !people.has(id) && (this.#asked.get(id) ?? 0) < MOST_TRIES;
    const ids = this.store.sortedChats().map((chat) => chat.partnerId).filter(due).slice(0, PROFILES_AT_ONCE);
    if (this.#asking || !ids.length) return;
    this.#asking = true;
    try {
      const { items } = await this.api.get(`/v1/users?ids=${ids.join(",")}`);
      items.forEach((person) => this.store.applyPerson(person));
      for (const id of ids) if (!people.has(id)) this.store.applyPerson({ id, deleted: true });
    } catch (error) {
      const tries = Math.max(...ids.map((id) => this.#asked.get(id) ?? 0));
      for (const id of ids) this.#asked.set(id, tries + 1);
      await pause(Math.max(backoff(tries), error.retryAfter ?? 0));
    }
    this.#asking = false;
    this.store.changed();
  }

  #setStatus(status) {
    this.status = status;
    this.store.changed();
  }
}
