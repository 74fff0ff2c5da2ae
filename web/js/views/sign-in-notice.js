/** A line that tells of a sign-in to the same account on another device. */

import { h, setText } from "../dom.js";
import { shortTime } from "../format.js";

export function signInNotice({ onLook }) {
  const text = h("span", { role: "status" });
  const look = h("button", { type: "button", class: "link", onclick: () => { hide(); onLook(); } }, "Show my devices");
  const dismiss = h("button", { type: "button", class: "link", onclick: hide }, "It was me");
  const node = h("p", { class: "banner sign-in-notice", hidden: true }, text, h("span", { class: "banner-links" }, dismiss, look));

  function hide() {
    node.hidden = true;
  }

  function show({ device_name, user_agent, created_at }) {
    const device = device_name || user_agent || "a device without a name";
    setText(text, `Your account was signed in to at ${shortTime(created_at)}, on ${device}.`);
    node.hidden = false;
  }

  return { node, show };
}
