/** All mails of the local cloud, to any address. */

import { h, reconcile, setText } from "../../browser/dom.js";
import { shortTime } from "../../text/format.js";
import { linkified } from "../../text/linkify.js";
import { t } from "../../text/texts.js";

const LOOK_EVERY = 2000;
const MOST_SHOWN = 20;

/** A list that updates itself once it is open, as long as it is on the page. */
export function mailbox() {
  const list = h("ol", { class: "mails", "aria-label": t("local.mailList") });
  const empty = h("p", { class: "hint" });
  const node = h("details", { class: "mailbox" }, h("summary", {}, t("local.mails")), list, empty);
  let timer = null;

  node.addEventListener("toggle", () => {
    clearInterval(timer);
    if (!node.open) return;
    timer = setInterval(look, LOOK_EVERY);
    look();
  });

  async function look() {
    if (!node.isConnected) clearInterval(timer);
    if (!node.isConnected || document.visibilityState !== "visible") return;
    try {
      const answer = await fetch("_local/mails", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      const { items } = await answer.json();
      setText(empty, items.length ? "" : t("local.noMails"));
      reconcile(list, items.slice(0, MOST_SHOWN), { key: (mail) => String(mail.id), create, update: () => null });
    } catch {
      setText(empty, t("local.silent"));
    }
  }

  function create(mail) {
    const head = h("div", { class: "mail-top" }, h("strong", {}, mail.subject), h("time", {}, shortTime(mail.received_at)));
    return h("li", { class: "mail" }, head, h("span", { class: "hint" }, t("local.to", { whom: mail.to })), h("p", { class: "mail-text", dir: "auto" }, linkified(mail.text)));
  }

  return node;
}
