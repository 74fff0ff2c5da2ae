/** A line that reports a sign-in to the same account on another device. */

import { nameOfDevice } from "../../account/device.js";
import { h, setText } from "../../browser/dom.js";
import { shortTime } from "../../text/format.js";
import { t } from "../../text/texts.js";

export function signInNotice({ onLook }) {
  const text = h("span", { role: "status" });
  const look = h("button", { type: "button", class: "link", onclick: () => { hide(); onLook(); } }, t("notice.showDevices"));
  const dismiss = h("button", { type: "button", class: "link", onclick: hide }, t("notice.wasMe"));
  const node = h("p", { class: "banner sign-in-notice", hidden: true }, text, h("span", { class: "banner-links" }, dismiss, look));

  function hide() {
    node.hidden = true;
  }

  function show(session) {
    setText(text, t("notice.signedIn", { time: shortTime(session.created_at), device: nameOfDevice(session) }));
    node.hidden = false;
  }

  return { node, show };
}
