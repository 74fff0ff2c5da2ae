/** What stands above the messages: that earlier ones load, why they do not, or where the chat begins. */

import { h } from "../../browser/dom.js";
import { facts, handleOf } from "../../text/format.js";
import { t } from "../../text/texts.js";
import { avatar, showAvatar } from "../chats/avatar.js";
import { turnOn } from "../parts/held.js";

export function historyStart({ messenger }) {
  const node = h("div", { class: "history-start" });

  function show(chat, name, person) {
    const shown = [chat.id, name, person?.about, chat.loading, chat.loadError, chat.hasEarlier].join();
    if (node.dataset.shown === shown) return;
    node.dataset.shown = shown;
    if (chat.loadError) node.replaceChildren(...problem(chat));
    else if (chat.hasEarlier) node.replaceChildren(h("p", { class: "loading" }, t("talk.loading")));
    else node.replaceChildren(...beginning(chat, name, person));
  }

  function problem(chat) {
    const again = () => {
      chat.forgiveLoading();
      messenger.loadEarlier(chat);
    };
    const retry = h("button", { type: "button", class: "link", onclick: again }, t("common.tryAgain"));
    turnOn(retry, { retryAfter: Math.max(0, chat.loadFrom - Date.now()) });
    return [h("p", {}, chat.loadError), retry];
  }

  return { node, show };
}

function beginning(chat, name, person) {
  const face = avatar("large");
  showAvatar(face, chat.faceId, name);
  const about = [person?.username ? handleOf(person.username) : null, person?.about].filter(Boolean);
  return [face, h("strong", { dir: "auto" }, name), h("p", {}, about.length ? facts(...about) : ""), h("p", { class: "beginning" }, t("talk.begins"))];
}
