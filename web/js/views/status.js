/** A quiet line that says when the connection is not what it should be. */

import { h, setText } from "../dom.js";
import { t } from "../texts.js";

export function statusLine({ messenger }) {
  const text = h("span", {});
  const again = h("button", { type: "button", class: "link", hidden: true, onclick: () => messenger.reconnect() }, t("status.tryNow"));
  const said = h("p", { class: "status-text", role: "status" }, text);
  const node = h("div", { class: "status", hidden: true }, said, again);

  function sentence() {
    if (messenger.status === "online") return "";
    if (messenger.status === "catching-up") return t("status.catchingUp");
    if (!navigator.onLine) return t("status.offline");
    return t(messenger.everOnline ? "status.reconnecting" : "status.connecting");
  }

  function render() {
    const now = sentence();
    node.hidden = !now;
    node.dataset.status = messenger.status;
    setText(text, now);
    again.hidden = messenger.status !== "waiting" || messenger.isHeld;
  }

  return { node, render };
}
