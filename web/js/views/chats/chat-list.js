/** The chats, newest activity first: each with its last message and how many are unread. */

import { h, setText } from "../../browser/dom.js";
import { exactTime, number, shortTime } from "../../text/format.js";
import { parts, t } from "../../text/texts.js";
import { tick } from "../conversation/ticks.js";
import { VirtualRows } from "../conversation/virtual-rows.js";
import { avatar, showAvatar } from "./avatar.js";

const AROUND = 600;
const GUESS = 66;
const MOST_COUNTED = 999;

export class ChatList {
  #messenger;
  #onOpen;
  #list = h("ul", { class: "chats" });
  #empty = h("p", { class: "empty-list" });
  #rows;
  #width = 0;
  #selected = null;
  #filter = "";

  constructor({ messenger, onOpen }) {
    this.#messenger = messenger;
    this.#onOpen = onOpen;
    this.node = h("nav", { class: "chat-list", "aria-label": t("chats.list") }, this.#list, this.#empty);
    this.#rows = new VirtualRows({ list: this.#list, guess: () => GUESS, create: ({ chat }) => this.#create(chat), update: (row, { chat }) => this.#update(row, chat) });
    this.#list.addEventListener("keydown", (event) => this.#move(event));
    this.node.addEventListener("scroll", () => this.#rows.covers(this.node.scrollTop, this.node.scrollTop + this.node.clientHeight) || this.#draw());
    new ResizeObserver(() => {
      if (this.node.clientWidth !== this.#width) this.#rows.forgetSizes();
      this.#width = this.node.clientWidth;
      this.#draw();
    }).observe(this.node);
  }

  render() {
    const { store, status } = this.#messenger;
    const chats = this.#shownChats();
    this.#rows.show(chats.map((chat) => ({ key: chat.id, chat })));
    this.#draw();
    const isWaiting = !store.loaded && status === "waiting";
    this.node.classList.toggle("is-loading", !store.loaded && !isWaiting && !chats.length);
    const nothing = t(isWaiting ? "chats.whenConnected" : this.#filter ? "chats.noMatch" : "chats.none");
    setText(this.#empty, (store.loaded || isWaiting) && !chats.length ? nothing : "");
  }

  filter(text) {
    this.#filter = text;
    this.render();
  }

  select(chatId) {
    this.#selected = chatId;
  }

  /** Focuses that chat, or the first. */
  focus(chatId) {
    if (this.#rows.rows.length) this.#focusRow(Math.max(0, this.#rows.indexOf(chatId)));
  }

  #draw() {
    if (!this.node.clientHeight) return; // It is hidden. Being shown resizes it.
    const around = () => this.#rows.draw(this.node.scrollTop - AROUND, this.node.scrollTop + this.node.clientHeight + AROUND);
    if (!around()) around(); // Once more, with the heights that are known now.
  }

  #move(event) {
    const at = this.#rows.indexOf(document.activeElement.closest("li")?.dataset.key);
    const last = this.#rows.rows.length - 1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: last }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    this.#focusRow(Math.max(0, Math.min(to, last)));
  }

  #focusRow(at) {
    const { key } = this.#rows.rows[at];
    if (this.#rows.nodeOf(key)?.matches(":not(.apart)") !== true) {
      this.node.scrollTop = this.#rows.startOf(at) - this.node.clientHeight / 2;
      this.#draw();
    }
    this.#rows.nodeOf(key)?.querySelector("button").focus();
  }

  #shownChats() {
    const { store } = this.#messenger;
    const wanted = this.#filter.toLowerCase();
    return store.sortedChats().filter((chat) => {
      const username = store.people.get(chat.partnerId)?.username ?? "";
      return store.titleOf(chat).toLowerCase().includes(wanted) || username.includes(wanted);
    });
  }

  #create(chat) {
    const shown = {
      face: avatar(),
      dot: h("span", { class: "online-dot", hidden: true }, h("span", { class: "visually-hidden" }, t("chats.online"))),
      name: h("span", { class: "chat-name", dir: "auto" }),
      time: h("time", { class: "chat-time" }),
      preview: h("span", { class: "chat-preview", dir: "auto" }),
      badge: h("span", { class: "badge", role: "img", hidden: true }),
    };
    const button = h(
      "button",
      { type: "button", class: "chat-row", onclick: () => this.#onOpen(chat.id) },
      h("span", { class: "face" }, shown.face, shown.dot),
      h("span", { class: "chat-top" }, shown.name, shown.time),
      h("span", { class: "chat-bottom" }, shown.preview, shown.badge),
    );
    const row = h("li", {}, button);
    row.parts = { ...shown, button };
    return row;
  }

  #update(row, chat) {
    const { store } = this.#messenger;
    const { face, dot, name, time, preview, badge, button } = row.parts;
    const title = store.titleOf(chat);
    showAvatar(face, chat.faceId, title);
    dot.hidden = !store.presence.get(chat.partnerId)?.online;
    setText(name, title);
    const last = this.#newest(chat);
    const at = last?.at ?? chat.activityAt;
    if (time.dateTime !== at) Object.assign(time, { dateTime: at, title: exactTime(at) });
    setText(time, shortTime(at));
    this.#showPreview(preview, chat, last);
    const { unread } = chat;
    badge.hidden = unread === 0;
    setText(badge, unread > MOST_COUNTED ? t("chats.more", { number: MOST_COUNTED }) : number(unread));
    badge.setAttribute("aria-label", t("chats.unread", { count: unread }));
    if (chat.id === this.#selected) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }

  #newest(chat) {
    const { outbox, store } = this.#messenger;
    const unsent = outbox.of(chat.id).at(-1);
    if (unsent) return { text: unsent.text, at: unsent.created_at, state: unsent.state };
    const { last } = chat;
    if (!last) return null;
    return { text: store.signed(chat, last), at: last.created_at, state: last.sender_id === store.me ? chat.stateOf(last) : null };
  }

  #showPreview(preview, chat, last) {
    const { store, drafts } = this.#messenger;
    const typing = store.isTyping(chat.id);
    const draft = chat.id === this.#selected ? "" : drafts.of(chat.id);
    const shown = typing ? "typing" : draft ? `draft ${draft}` : `${last?.state} ${last?.text}`;
    if (preview.dataset.shown === shown) return;
    preview.dataset.shown = shown;
    preview.classList.toggle("is-typing", typing);
    if (typing) preview.replaceChildren(t("chats.typing"));
    else if (draft) preview.replaceChildren(...parts("chats.draft", { label: h("span", { class: "draft" }, t("chats.draftLabel")), text: h("bdi", {}, draft) }));
    else if (last) preview.replaceChildren(...(last.state ? [h("bdi", {}, tick(last.state))] : []), last.text);
    else preview.replaceChildren(t("chats.empty"));
  }
}
