/** A line that says when there is no connection. */

import { announce, h, setText } from "../../browser/dom.js";
import { t } from "../../text/texts.js";

// A connection that is back sooner needs no line.
const WORTH_SAYING = 1500;

/** {node, render, stop}. */
export function statusLine({ messenger }) {
  let timer = null;
  let said = "";
  const text = h("span", {});
  const again = h("button", { type: "button", class: "link", hidden: true, onclick: () => messenger.reconnect() }, t("status.tryNow"));
  const node = h("div", { class: "status", hidden: true }, h("p", { class: "status-text" }, text), again);

  function sentence() {
    if (messenger.status === "online") return "";
    if (messenger.status === "catching-up") return t("status.catchingUp");
    if (!navigator.onLine) return t("status.offline");
    if (messenger.status === "waiting" && messenger.isSurplus) return t("status.surplus");
    if (messenger.status === "waiting" && messenger.isHeld) return t("status.held");
    return t(messenger.everOnline ? "status.reconnecting" : "status.connecting");
  }

  function render() {
    const now = sentence();
    node.hidden = !now;
    node.dataset.status = messenger.status;
    if (text.textContent !== now) saySoon(now);
    setText(text, now);
    again.hidden = messenger.status !== "waiting" || messenger.isHeld;
  }

  function saySoon(now) {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (now || said) announce(now || t("status.back"));
      said = now;
    }, WORTH_SAYING);
  }

  return { node, render, stop: () => clearTimeout(timer) };
}
