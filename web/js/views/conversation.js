/** One conversation: who, what was said, and where one writes. */

import { h, setText } from "../dom.js";
import { facts, handleOf, lastSeen, number } from "../format.js";
import { icon } from "../icons.js";
import { t } from "../texts.js";
import { avatar, showAvatar } from "./avatar.js";
import { composer } from "./composer.js";
import { turnOn } from "./held.js";
import { MessageKeys } from "./message-keys.js";
import { openMessageMenu } from "./message-menu.js";
import { messageRows } from "./messages.js";
import { openProfile } from "./profile.js";
import { guessedHeight, rowsOf } from "./rows.js";
import { Scroller } from "./scroller.js";

export function conversation({ messenger, onClose }) {
  const { store, outbox, drafts } = messenger;
  const face = avatar();
  const title = h("button", { type: "button", dir: "auto", "aria-haspopup": "dialog", title: t("profile.title") });
  const presence = h("p", { class: "presence" });
  const start = h("div", { class: "history-start" });
  const messages = h("ol", { class: "messages" });
  const typing = h("div", { class: "typing", hidden: true }, h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), h("span", { class: "visually-hidden" }, t("talk.typing")));
  const area = h("div", { class: "scroll", tabindex: "0", role: "log", "aria-live": "off", "aria-label": t("talk.messages") }, start, messages, typing);
  const jumpCount = h("span", { class: "badge", hidden: true });
  const jump = h("button", { type: "button", class: "jump", hidden: true, onclick: toNewest }, jumpCount, h("span", { class: "visually-hidden" }, t("talk.toNewest")), icon("down"));
  const write = composer({
    drafts,
    userId: store.me,
    onSend(text) {
      scroller.stick();
      newAfter = null;
      messenger.send(chat.id, text);
    },
    onTyping: () => messenger.typing(chat.id),
    onStop: () => messenger.stopTyping(),
  });
  const scroller = new Scroller({
    area,
    list: messages,
    onMove: moved,
    guess: guessedHeight,
    isHeading: (row) => row.className === "day",
    ...messageRows({
      nameOf: (id) => store.nameOf(id),
      onRetry: (clientId) => outbox.retry(clientId),
      onDiscard: (clientId) => outbox.discard(clientId),
    }),
  });
  const keys = new MessageKeys({ list: messages, scroller, onMenu: showMenu });
  const talk = h(
    "section",
    { class: "talk", hidden: true },
    h(
      "header",
      { class: "bar" },
      h("button", { type: "button", class: "tool back", "aria-label": t("talk.back"), onclick: onClose }, icon("back")),
      h("div", { class: "partner", onclick: showProfile }, face, h("div", { class: "who" }, h("h2", {}, title), presence)),
    ),
    h("div", { class: "scroll-frame" }, area, jump),
    write.node,
  );
  const nothing = h(
    "div",
    { class: "nothing-open" },
    h("img", { src: "logo.svg", alt: "", width: 72, height: 72 }),
    h("p", {}, t("talk.choose")),
  );
  const node = h("section", { class: "pane", id: "conversation", tabindex: -1, "aria-label": t("talk.pane") }, talk, nothing);

  let chat = null;
  let newAfter = null;
  let mustFindMark = false;

  function show(next) {
    if (next?.id === chat?.id) return;
    chat = next;
    talk.hidden = !chat;
    nothing.hidden = Boolean(chat);
    write.open(chat?.id ?? null);
    if (chat) {
      newAfter = chat.unread ? chat.readSeq : null;
      mustFindMark = newAfter !== null;
      scroller.restart();
      chat.forgiveLoading();
      render();
      write.focusUnlessTouch();
    }
    look();
  }

  function render() {
    if (!chat) return;
    write.look();
    const name = store.titleOf(chat);
    const person = store.people.get(chat.partnerId);
    showAvatar(face, chat.partnerId, name);
    setText(title, name);
    showPresence();
    scroller.show(rowsOf(chat, outbox.of(chat.id), newAfter), {
      isWhole: !chat.hasEarlier,
      change: () => {
        showStart(name, person);
        typing.hidden = !store.isTyping(chat.id);
      },
    });
    findMark();
    moved();
  }

  // Opened with news: shows where they begin, if that is on the first page.
  function findMark() {
    const waits = chat.loading || (chat.hasEarlier && chat.messages.length < 2 && !chat.loadError);
    if (!mustFindMark || waits) return;
    mustFindMark = false;
    if (scroller.rows.some((row) => row.key === "new")) scroller.toRow("new", 72);
  }

  function moved() {
    if (!chat) return;
    keys.look();
    jump.hidden = scroller.atEnd;
    jumpCount.hidden = chat.unread === 0;
    setText(jumpCount, number(chat.unread));
    if (scroller.nearStart && !chat.loadError) messenger.loadEarlier(chat);
    look();
  }

  // Read means: the newest messages are on the screen of someone who is here.
  function look() {
    const isHere = document.visibilityState === "visible" && document.hasFocus();
    messenger.setVisible(chat && isHere && scroller.atEnd && !mustFindMark ? chat.id : null);
  }

  function toNewest() {
    scroller.toEnd();
    moved();
    write.focusUnlessTouch();
  }

  function showProfile() {
    openProfile({ store, chat, presenceOf });
  }

  function showMenu(row, at) {
    const find = (key) => scroller.rows.find((one) => one.key === key);
    const goBack = () => (scroller.nodeOf(row.key) ?? write).focus({ preventScroll: true });
    openMessageMenu({ row, chat, store, at, find, goBack });
  }

  function showPresence() {
    const text = presenceOf(chat);
    setText(presence, text);
    presence.classList.toggle("is-live", Boolean(store.isTyping(chat.id) || store.presence.get(chat.partnerId)?.online));
  }

  function presenceOf(chat) {
    const state = store.presence.get(chat.partnerId);
    if (store.isTyping(chat.id)) return t("chats.typing");
    if (state?.online) return t("chats.online");
    return state?.last_seen_at ? lastSeen(state.last_seen_at) : "";
  }

  function showStart(name, person) {
    const shown = [chat.id, name, person?.about, chat.loading, chat.loadError, chat.hasEarlier].join();
    if (start.dataset.shown === shown) return;
    start.dataset.shown = shown;
    if (chat.loadError) {
      const again = () => {
        chat.forgiveLoading();
        messenger.loadEarlier(chat);
      };
      const retry = h("button", { type: "button", class: "link", onclick: again }, t("common.tryAgain"));
      turnOn(retry, { retryAfter: Math.max(0, chat.loadFrom - Date.now()) });
      start.replaceChildren(h("p", {}, chat.loadError), retry);
    } else if (chat.hasEarlier) {
      start.replaceChildren(h("p", { class: "loading" }, t("talk.loading")));
    } else {
      const big = avatar("large");
      showAvatar(big, chat.partnerId, name);
      const about = [person?.username ? handleOf(person.username) : null, person?.about].filter(Boolean);
      start.replaceChildren(big, h("strong", { dir: "auto" }, name), h("p", {}, about.length ? facts(...about) : ""), h("p", { class: "beginning" }, t("talk.begins")));
    }
  }

  return {
    node,
    show,
    render,
    /** Where somebody reads and writes, for `goOn` on a page that is drawn again. */
    get place() {
      return chat && { chatId: chat.id, newAfter, read: scroller.place, caret: write.caret };
    },
    goOn(place) {
      if (!chat || place?.chatId !== chat.id) return;
      newAfter = place.newAfter;
      mustFindMark = false;
      write.caret = place.caret;
      render();
      if (place.read) scroller.toRow(place.read.key, place.read.offset);
    },
    get chatId() {
      return chat?.id ?? null;
    },
    get partnerId() {
      return chat?.partnerId;
    },
    focus: () => (chat ? write : node).focus(),
    listen(on) {
      on(window, "focus", look);
      on(window, "blur", look);
      on(document, "visibilitychange", look);
    },
  };
}
