/** The profile of the partner of a chat. */

import { h } from "../../browser/dom.js";
import { exactDate, handleOf } from "../../text/format.js";
import { t } from "../../text/texts.js";
import { factList, openSheet } from "../parts/sheet.js";
import { avatar, showAvatar } from "./avatar.js";
import { presenceOf } from "./presence.js";

/** Opens the profile of the partner of a chat. */
export function openProfile({ store, chat }) {
  const render = () => {
    const person = store.people.get(chat.partnerId);
    const name = store.titleOf(chat);
    const face = avatar("large");
    showAvatar(face, chat.partnerId, name);
    return h(
      "div",
      { class: "profile" },
      face,
      h("strong", { dir: "auto" }, name),
      person?.deleted ? h("p", { class: "hint" }, t("profile.deleted")) : h("p", { class: "hint" }, presenceOf(store, chat)),
      factList([
        [t("profile.username"), person?.username && handleOf(person.username)],
        [t("profile.about"), person?.about],
        [t("profile.since"), chat.createdAt && exactDate(chat.createdAt)],
      ]),
    );
  };
  openSheet({ title: t("profile.title"), store, render });
}
