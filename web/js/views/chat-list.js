/** The chats, newest activity first, with what was said last and how much is unread. */

import { h, setText } from "../dom.js";
import { exactTime, number, shortTime } from "../format.js";
import { parts, t } from "../texts.js";
import { avatar, showAvatar } from "./avatar.js";
import { tick } from "./ticks.js";
import { VirtualRows } from "./virtual-rows.js";

const AROUND = 600;
const GUESS = 66;

const MOST_COUNTED = 999;

export function chatList({ messenger, onOpen }) {
  const { store, outbox, drafts } = messenger;
  const list = h("ul", { class: "chats" });
  const empty = h("p", { class: "empty-list" });
  const node = h("nav", { class: "chat-list", "aria-label": t("chats.list") }, list, empty);
  const rows = new VirtualRows({ list, guess: () => GUESS, create: ({ chat }) => create(chat), update: (row, { chat }) => update(row, chat) });
  let width = 0;
  let selected = null;
  let filter = "";

  list.addEventListener("keydown", (event) => {
    const at = rows.indexOf(document.activeElement.closest("li")?.dataset.key);
    const last = rows.rows.length - 1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: last }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    focusRow(Math.max(0, Math.min(to, last)));
  });
  node.addEventListener("scroll", () => rows.covers(node.scrollTop, node.scrollTop + node.clientHeight) || draw());
  new ResizeObserver(() => {
    if (node.clientWidth !== width) rows.forgetSizes();
    width = node.clientWidth;
    draw();
  }).observe(node);

  function draw() {
    if (!node.clientHeight) return; // It is hidden. Being shown resizes it.
    const around = () => rows.draw(node.scrollTop - AROUND, node.scrollTop + node.clientHeight + AROUND);
    if (!around()) around(); // Once more, with the heights that are known now.
  }

  function focusRow(at) {
    const { key } = rows.rows[at];
    if (rows.nodeOf(key)?.matches(":not(.apart)") !== true) {
      node.scrollTop = rows.startOf(at) - node.clientHeight / 2;
      draw();
    }
    rows.nodeOf(key)?.querySelector("button").focus();
  }

  function shownChats() {
    const wanted = filter.toLowerCase();
    return store.sortedChats().filter((chat) => {
      const username = store.people.get(chat.partnerId)?.username ?? "";
      return store.titleOf(chat).toLowerCase().includes(wanted) || username.includes(wanted);
    });
  }

  function create(chat) {
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
      { type: "button", class: "chat-row", onclick: () => onOpen(chat.id) },
      h("span", { class: "face" }, shown.face, shown.dot),
      h("span", { class: "chat-top" }, shown.name, shown.time),
      h("span", { class: "chat-bottom" }, shown.preview, shown.badge),
    );
    const row = h("li", {}, button);
    row.parts = { ...shown, button };
    return row;
  }

  function update(row, chat) {
    const { face, dot, name, time, preview, badge, button } = row.parts;
    const person = store.people.get(chat.partnerId);
    const title = store.titleOf(chat);
    showAvatar(face, chat.partnerId, title);
    dot.hidden = !store.presence.get(chat.partnerId)?.online;
    setText(name, title);
    const last = newest(chat);
    const at = last?.at ?? chat.activityAt;
    if (time.dateTime !== at) Object.assign(time, { dateTime: at, title: exactTime(at) });
    setText(time, shortTime(at));
    showPreview(preview, chat, last);
    const { unread } = chat;
    badge.hidden = unread === 0;
    setText(badge, unread > MOST_COUNTED ? t("chats.more", { number: MOST_COUNTED }) : number(unread));
    badge.setAttribute("aria-label", t("chats.unread", { count: unread }));
    if (chat.id === selected) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }

  function newest(chat) {
    const unsent = outbox.of(chat.id).at(-1);
    if (unsent) return { text: unsent.text, at: unsent.created_at, state: unsent.state };
    const { last } = chat;
    if (!last) return null;
    const text = last.deleted_at ? t("chats.deleted") : last.content.text;
    return { text, at: last.created_at, state: last.sender_id === store.me ? chat.stateOf(last) : null };
  }

  function showPreview(preview, chat, last) {
    const typing = store.isTyping(chat.id);
    const draft = chat.id === selected ? "" : drafts.of(chat.id);
    const shown = typing ? "typing" : draft ? `draft ${draft}` : `${last?.state} ${last?.text}`;
    if (preview.dataset.shown === shown) return;
    preview.dataset.shown = shown;
    preview.classList.toggle("is-typing", typing);
    if (typing) preview.replaceChildren(t("chats.typing"));
    else if (draft) preview.replaceChildren(...parts("chats.draft", { label: h("span", { class: "draft" }, t("chats.draftLabel")), text: h("bdi", {}, draft) }));
    else if (last) preview.replaceChildren(...(last.state ? [h("bdi", {}, tick(last.state))] : []), last.text);
    else preview.replaceChildren(t("chats.empty"));
  }

  function render() {
    const chats = shownChats();
    rows.show(chats.map((chat) => ({ key: chat.id, chat })));
    draw();
    const isWaiting = !store.loaded && messenger.status === "waiting";
    node.classList.toggle("is-loading", !store.loaded && !isWaiting && !chats.length);
    const nothing = t(isWaiting ? "chats.whenConnected" : filter ? "chats.noMatch" : "chats.none");
    setText(empty, (store.loaded || isWaiting) && !chats.length ? nothing : "");
  }

  return {
    node,
    render,
    filter(text) {
      filter = text;
      render();
    },
    select(chatId) {
      selected = chatId;
    },
    /** Focuses that chat, or the first. */
    focus(chatId) {
      if (rows.rows.length) focusRow(Math.max(0, rows.indexOf(chatId)));
    },
  };
}
