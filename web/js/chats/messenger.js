/** Everything a signed-in person can do, tying the API, the socket and the store together. */

import { backoff, pause } from "../browser/timing.js";
import { told } from "../server/errors.js";
import { Socket } from "../server/socket.js";
import { inAddress } from "../text/text.js";
import { t } from "../text/texts.js";
import { CatchUp } from "./catchup.js";
import { Drafts } from "./drafts.js";
import { Outbox } from "./outbox.js";
import { People } from "./people.js";
import { Receipts } from "./receipts.js";
import { Store } from "./store.js";

const HISTORY_PAGE = 50;
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
  #untold = new Set();
  #arrival = 0;
  #receipts;
  #socket;
  #catchUp;
  #people;

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
    this.#people = new People({ api, socket: this.#socket, store });
    this.#receipts = new Receipts({ socket: this.#socket, store, isRead: (chat) => this.#visible === chat.id });
    this.drafts = new Drafts(me, () => store.changed());
    this.outbox = new Outbox({
      userId: me,
      send: ({ chat_id, client_id, text }) =>
        this.#socket.request("message.send", { chat_id, client_id, content: { kind: "text", text } }),
      onSent: (message) => this.#take(message),
      onChange: () => store.changed(),
    });
    store.onAnswered = () => this.status === "online" && this.#people.watch();
    store.subscribe(() => {
      this.#people.lookUp();
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
    this.#people.watch();
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

  /** Tells the partner that we type, but not at every key. Groups do not show who types. */
  typing(chatId) {
    if (!this.store.chats.get(chatId)?.partner) return;
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
        this.#people.askAgain();
        this.#setStatus("online");
        this.#people.watch();
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
    if (name === "message.new") this.#take(data, true);
    else if (name === "message.changed") this.#take(data);
    else if (name === "chat.changed") this.#takeState(data);
    else if (name === "chat.receipt") this.store.applyReceipt(data);
    else if (name === "chat.typing") this.store.applyTyping(data);
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

  /** Takes a version of a message. Tells the user once, when it comes as a new message. */
  async #take(message, isNew = false) {
    const known = this.store.chats.has(message.chat_id);
    const chat = await this.#chatOf(message.chat_id);
    if (!chat) return;
    const news = this.store.applyMessage(message) || !known;
    if (!chat.answered) this.#lookWhetherAnswered(chat);
    this.outbox.settle(message.client_id);
    this.#catchUp.watchGap(chat);
    if (!known) this.#people.watch();
    if (message.sender_id === this.store.me) return;
    if (isNew && (this.#untold.delete(message.id) || news)) this.#tell(chat, message);
    if (!isNew && news) this.#untold.add(message.id); // The version has overtaken its message.
  }

  // A chat that was just looked up may have a newer version.
  #tell(chat, { seq }) {
    const newest = chat.messages.findLast((one) => one.seq === seq);
    if (newest && !newest.deleted_at) this.onMessage?.(chat, newest);
  }

  async #takeState(state) {
    const chat = await this.#chatOf(state.chat_id);
    if (!chat) return;
    this.store.applyState(state);
    this.#catchUp.watchGap(chat);
  }

  /** The chat that an event is about; null if it cannot be fetched. */
  async #chatOf(chatId) {
    try {
      return await this.#catchUp.chat(chatId);
    } catch (error) {
      if (error.status !== 404) this.#socket.drop(error.retryAfter ?? 0); // Coming back brings it.
      return null;
    }
  }

  /** Receipts and presence are ours to see once both have written. */
  async #lookWhetherAnswered(chat) {
    try {
      this.store.applyChat(await this.api.get(`/v1/chats/${encodeURIComponent(chat.id)}`));
    } catch {
      // The next message or connection looks again.
    }
  }

  #setStatus(status) {
    this.status = status;
    this.store.changed();
  }
}
