/** A phone that shows all pushes of the local cloud, to any user. */

import { usernameOf } from "../../account/device.js";
import { h, reconcile, setText } from "../../browser/dom.js";
import { icon } from "../../icons.js";
import { handleOf, shortTime } from "../../text/format.js";
import { t } from "../../text/texts.js";
import { openLayer } from "../parts/layers.js";
import { mailbox } from "./mailbox.js";

const LOOK_EVERY = 2000;
const MOST_SHOWN = 30;
const overlay = matchMedia("(max-width: 70rem)");

export class PhonePanel {
  onToggle = null;
  #messenger;
  #onOpen;
  #list = h("ol", { class: "pushes", "aria-live": "polite", "aria-label": t("settings.notifications") });
  #empty = h("p", { class: "phone-empty" });
  #clock = h("p", { class: "phone-clock", "aria-hidden": "true" });
  #close = h("button", { type: "button", class: "tool", "aria-label": t("local.closePhone"), onclick: () => this.#set(false) }, icon("close"));
  #timer = null;
  #closed = null;
  #opener = null;

  constructor({ messenger, onOpen }) {
    this.#messenger = messenger;
    this.#onOpen = onOpen;
    this.node = h(
      "aside",
      { class: "phone-panel", "aria-label": t("local.phone"), hidden: true },
      h("header", { class: "bar" }, h("div", { class: "who" }, h("h2", {}, t("local.phone")), h("p", {}, t("local.phoneLead"))), this.#close),
      h("div", { class: "phone" }, this.#clock, this.#list, this.#empty),
      mailbox(),
    );
  }

  toggle() {
    this.#set(this.node.hidden);
  }

  stop() {
    this.#set(false);
  }

  listen(on) {
    on(overlay, "change", () => this.#cover());
    on(this.node, "keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.#set(false);
    });
  }

  // In a narrow window it lies over the rest of the page, which nobody can use then.
  #cover() {
    const isOver = !this.node.hidden && overlay.matches;
    for (const other of this.node.parentElement?.children ?? []) if (other !== this.node) other.inert = isOver;
    if (isOver) this.#close.focus();
  }

  #set(shown) {
    if (shown === !this.node.hidden) return;
    if (shown) this.#opener = document.activeElement;
    const hadFocus = this.node.contains(document.activeElement);
    this.node.hidden = !shown;
    this.#cover();
    if (hadFocus) this.#opener.focus();
    if (shown) this.#closed = openLayer(() => this.#set(false));
    else this.#closed();
    this.onToggle?.(shown);
    clearInterval(this.#timer);
    if (!shown) return;
    this.#timer = setInterval(() => document.visibilityState === "visible" && this.#look(), LOOK_EVERY);
    this.#look();
  }

  async #look() {
    try {
      const answer = await fetch("_local/pushes", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      const { items } = await answer.json();
      this.#show(items.slice(0, MOST_SHOWN));
    } catch {
      setText(this.#empty, t("local.silent"));
    }
  }

  #show(pushes) {
    setText(this.#clock, shortTime(new Date().toISOString()));
    setText(this.#empty, pushes.length ? "" : t("local.noPushes"));
    reconcile(this.#list, pushes, { key: (push) => String(push.id ?? push.received_at + push.token), create, update: (item, push) => this.#update(item, push) });
  }

  #update(item, push) {
    const { title, time, body, to, button } = item.parts;
    const username = usernameOf(push.token);
    setText(title, push.title ?? "Parley");
    setText(body, push.body ?? "");
    setText(time, shortTime(push.received_at));
    setText(to, username ? t("local.to", { whom: handleOf(username) }) : t("local.unknownDevice"));
    const chatId = push.data?.chat_id;
    const isMine = this.#messenger.store.chats.has(chatId);
    button.onclick = isMine ? () => this.#onOpen(chatId) : null;
    button.disabled = !isMine;
  }
}

function create() {
  const title = h("strong", { dir: "auto" });
  const time = h("time", {});
  const body = h("span", { class: "push-body", dir: "auto" });
  const to = h("span", { class: "push-to" });
  const button = h("button", { type: "button", class: "push" }, h("span", { class: "push-top" }, title, time), body, to);
  const item = h("li", {}, button);
  item.parts = { title, time, body, to, button };
  return item;
}
