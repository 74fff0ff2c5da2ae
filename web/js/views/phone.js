/** A phone that shows all pushes of the local cloud, to any user. */

import { usernameOf } from "../device.js";
import { h, reconcile, setText } from "../dom.js";
import { handleOf, shortTime } from "../format.js";
import { icon } from "../icons.js";
import { t } from "../texts.js";
import { openLayer } from "./layers.js";
import { mailbox } from "./mailbox.js";

const LOOK_EVERY = 2000;
const MOST_SHOWN = 30;
const overlay = matchMedia("(max-width: 70rem)");

export function phonePanel({ messenger, onOpen }) {
  const list = h("ol", { class: "pushes", "aria-live": "polite", "aria-label": t("settings.notifications") });
  const empty = h("p", { class: "phone-empty" });
  const clock = h("p", { class: "phone-clock", "aria-hidden": "true" });
  const close = h("button", { type: "button", class: "tool", "aria-label": t("local.closePhone"), onclick: () => set(false) }, icon("close"));
  const node = h(
    "aside",
    { class: "phone-panel", "aria-label": t("local.phone"), hidden: true },
    h("header", { class: "bar" }, h("div", { class: "who" }, h("h2", {}, t("local.phone")), h("p", {}, t("local.phoneLead"))), close),
    h("div", { class: "phone" }, clock, list, empty),
    mailbox(),
  );
  const panel = { node, toggle: () => set(node.hidden), stop: () => set(false), listen, onToggle: null };
  let timer = null;
  let closed = null;
  let opener = null;

  // In a narrow window it lies over the rest, which then takes no part.
  function cover() {
    const isOver = !node.hidden && overlay.matches;
    for (const other of node.parentElement?.children ?? []) if (other !== node) other.inert = isOver;
    if (isOver) close.focus();
  }

  function set(shown) {
    if (shown === !node.hidden) return;
    if (shown) opener = document.activeElement;
    const hadFocus = node.contains(document.activeElement);
    node.hidden = !shown;
    cover();
    if (hadFocus) opener.focus();
    if (shown) closed = openLayer(() => set(false));
    else closed();
    panel.onToggle?.(shown);
    clearInterval(timer);
    if (!shown) return;
    timer = setInterval(() => document.visibilityState === "visible" && look(), LOOK_EVERY);
    look();
  }

  function listen(on) {
    on(overlay, "change", cover);
    on(node, "keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      set(false);
    });
  }

  async function look() {
    try {
      const answer = await fetch("_local/pushes", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      const { items } = await answer.json();
      show(items.slice(0, MOST_SHOWN));
    } catch {
      setText(empty, t("local.silent"));
    }
  }

  function show(pushes) {
    setText(clock, shortTime(new Date().toISOString()));
    setText(empty, pushes.length ? "" : t("local.noPushes"));
    reconcile(list, pushes, { key: (push) => String(push.id ?? push.received_at + push.token), create, update });
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

  function update(item, push) {
    const { title, time, body, to, button } = item.parts;
    const username = usernameOf(push.token);
    setText(title, push.title ?? "Parley");
    setText(body, push.body ?? "");
    setText(time, shortTime(push.received_at));
    setText(to, username ? t("local.to", { whom: handleOf(username) }) : t("local.unknownDevice"));
    const chatId = push.data?.chat_id;
    const isMine = messenger.store.chats.has(chatId);
    button.onclick = isMine ? () => onOpen(chatId) : null;
    button.disabled = !isMine;
  }

  return panel;
}
