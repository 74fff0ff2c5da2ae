/** One conversation: the partner, the messages, and where to write. */

import { h, setText } from "../../browser/dom.js";
import { icon } from "../../icons.js";
import { number } from "../../text/format.js";
import { t } from "../../text/texts.js";
import { avatar, showAvatar } from "../chats/avatar.js";
import { isHere, presenceOf } from "../chats/presence.js";
import { openProfile } from "../chats/profile.js";
import { Composer } from "./composer.js";
import { historyStart } from "./history-start.js";
import { MessageKeys } from "./message-keys.js";
import { openMessageMenu } from "./message-menu.js";
import { messageRows } from "./messages.js";
import { guessedHeight, rowsOf } from "./rows.js";
import { Scroller } from "./scroller.js";

export class Conversation {
  #messenger;
  #parts;
  #start;
  #write;
  #scroller;
  #keys;
  #chat = null;
  #newAfter = null;
  #mustFindMark = false;

  constructor({ messenger, onClose }) {
    this.#messenger = messenger;
    this.#start = historyStart({ messenger });
    this.#write = this.#composer();
    const onJump = () => this.#toNewest();
    const onProfile = () => this.#chat.partner && openProfile({ store: messenger.store, chat: this.#chat });
    this.#parts = partsOf({ start: this.#start.node, write: this.#write.node, onClose, onJump, onProfile });
    this.#scroller = this.#scrollerOf(this.#parts);
    this.#keys = new MessageKeys({ list: this.#parts.messages, scroller: this.#scroller, onMenu: (row, at) => this.#showMenu(row, at) });
  }

  get node() {
    return this.#parts.node;
  }

  get chatId() {
    return this.#chat?.id ?? null;
  }

  /** The name of the chat that is open; empty if there is none, or it is not known yet. */
  get name() {
    const { store } = this.#messenger;
    return this.#chat && store.isNamed(this.#chat) ? store.titleOf(this.#chat) : "";
  }

  /** Where the user reads and writes, for `goOn` on a page that is drawn again. */
  get place() {
    return this.#chat && { chatId: this.#chat.id, newAfter: this.#newAfter, read: this.#scroller.place, caret: this.#write.caret };
  }

  goOn(place) {
    if (!this.#chat || place?.chatId !== this.#chat.id) return;
    this.#newAfter = place.newAfter;
    this.#mustFindMark = false;
    this.#write.caret = place.caret;
    this.render();
    if (place.read) this.#scroller.toRow(place.read.key, place.read.offset);
  }

  show(next) {
    if (next?.id === this.#chat?.id) return;
    this.#chat = next;
    this.#parts.talk.hidden = !next;
    this.#parts.nothing.hidden = Boolean(next);
    this.#write.open(next?.id ?? null);
    if (next) {
      this.#newAfter = next.unread ? next.readSeq : null;
      this.#mustFindMark = this.#newAfter !== null;
      this.#scroller.restart();
      next.forgiveLoading();
      this.render();
      this.#write.focusUnlessTouch();
    }
    this.#look();
  }

  render() {
    const chat = this.#chat;
    if (!chat) return;
    const { store, outbox } = this.#messenger;
    const { face, title, presence, typing } = this.#parts;
    this.#write.look();
    const name = store.titleOf(chat);
    showAvatar(face, chat.faceId, name);
    setText(title, name);
    Object.assign(title, { disabled: !chat.partner, title: chat.partner ? t("profile.title") : "" });
    setText(presence, presenceOf(store, chat));
    presence.classList.toggle("is-live", isHere(store, chat));
    this.#scroller.show(rowsOf(chat, outbox.of(chat.id), this.#newAfter), {
      isWhole: !chat.hasEarlier,
      change: () => {
        this.#start.show(chat, name, store.people.get(chat.partnerId));
        typing.hidden = !store.isTyping(chat.id);
      },
    });
    this.#findMark();
    this.#moved();
  }

  focus() {
    if (this.#chat) this.#write.focus();
    else this.node.focus();
  }

  listen(on) {
    on(window, "focus", () => this.#look());
    on(window, "blur", () => this.#look());
    on(document, "visibilitychange", () => this.#look());
  }

  #composer() {
    const { drafts, store } = this.#messenger;
    return new Composer({
      drafts,
      userId: store.me,
      onSend: (text) => {
        this.#scroller.stick();
        this.#newAfter = null;
        this.#messenger.send(this.#chat.id, text);
      },
      onTyping: () => this.#messenger.typing(this.#chat.id),
      onStop: () => this.#messenger.stopTyping(),
    });
  }

  #scrollerOf({ area, messages }) {
    const { store, outbox } = this.#messenger;
    return new Scroller({
      area,
      list: messages,
      onMove: () => this.#moved(),
      guess: guessedHeight,
      isHeading: (row) => row.className === "day",
      ...messageRows({
        nameOf: (id) => store.nameOf(id),
        onRetry: (clientId) => outbox.retry(clientId),
        onDiscard: (clientId) => outbox.discard(clientId),
      }),
    });
  }

  // A chat with new messages opens where they begin, if that is on the first page.
  #findMark() {
    const chat = this.#chat;
    const waits = chat.loading || (chat.hasEarlier && chat.messages.length < 2 && !chat.loadError);
    if (!this.#mustFindMark || waits) return;
    this.#mustFindMark = false;
    if (this.#scroller.rows.some((row) => row.key === "new")) this.#scroller.toRow("new", 72);
  }

  #moved() {
    const chat = this.#chat;
    if (!chat) return;
    const { jump, jumpCount } = this.#parts;
    this.#keys.look();
    jump.hidden = this.#scroller.atEnd;
    jumpCount.hidden = chat.unread === 0;
    setText(jumpCount, number(chat.unread));
    if (this.#scroller.nearStart && !chat.loadError) this.#messenger.loadEarlier(chat);
    this.#look();
  }

  // Messages are read when the newest are on the screen of someone who is here.
  #look() {
    const isLookedAt = document.visibilityState === "visible" && document.hasFocus();
    const isRead = this.#chat && isLookedAt && this.#scroller.atEnd && !this.#mustFindMark;
    this.#messenger.setVisible(isRead ? this.#chat.id : null);
  }

  #toNewest() {
    this.#scroller.toEnd();
    this.#moved();
    this.#write.focusUnlessTouch();
  }

  #showMenu(row, at) {
    const find = (key) => this.#scroller.rows.find((one) => one.key === key);
    const goBack = () => (this.#scroller.nodeOf(row.key) ?? this.#write).focus({ preventScroll: true });
    openMessageMenu({ row, chat: this.#chat, store: this.#messenger.store, at, find, goBack });
  }
}

/** The elements. `start` and `write` are what stands above and below the messages. */
function partsOf({ start, write, onClose, onJump, onProfile }) {
  const face = avatar();
  const title = h("button", { type: "button", dir: "auto", "aria-haspopup": "dialog" });
  const presence = h("p", { class: "presence" });
  const messages = h("ol", { class: "messages" });
  const typing = h("div", { class: "typing", hidden: true }, h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), h("span", { class: "visually-hidden" }, t("talk.typing")));
  const area = h("div", { class: "scroll", tabindex: "0", role: "log", "aria-live": "off", "aria-label": t("talk.messages") }, start, messages, typing);
  const jumpCount = h("span", { class: "badge", hidden: true });
  const jump = h("button", { type: "button", class: "jump", hidden: true, onclick: onJump }, jumpCount, h("span", { class: "visually-hidden" }, t("talk.toNewest")), icon("down"));
  const talk = h(
    "section",
    { class: "talk", hidden: true },
    h(
      "header",
      { class: "bar" },
      h("button", { type: "button", class: "tool back", "aria-label": t("talk.back"), onclick: onClose }, icon("back")),
      h("div", { class: "partner", onclick: onProfile }, face, h("div", { class: "who" }, h("h2", {}, title), presence)),
    ),
    h("div", { class: "scroll-frame" }, area, jump),
    write,
  );
  const nothing = h("div", { class: "nothing-open" }, h("img", { src: "logo.svg", alt: "", width: 72, height: 72 }), h("p", {}, t("talk.choose")));
  const node = h("section", { class: "pane", id: "conversation", tabindex: -1, "aria-label": t("talk.pane") }, talk, nothing);
  return { node, talk, nothing, face, title, presence, area, messages, typing, jump, jumpCount };
}
