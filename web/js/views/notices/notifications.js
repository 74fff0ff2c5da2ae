/** Turning notifications of this browser on: a quiet offer, and a switch for the settings. */

import { h, setText } from "../../browser/dom.js";
import { notificationsAreDecided, notificationState, turnOffNotifications, turnOnNotifications } from "../../chats/notifications.js";
import { t } from "../../text/texts.js";

/** A line that offers them: not when the page loads, but once the user sees what they are for. */
export function notificationOffer() {
  const text = h("span", { role: "status" });
  const yes = h("button", { type: "button", class: "link", onclick: accept }, t("notify.turnOn"));
  const no = h("button", { type: "button", class: "link", onclick: decline }, t("notify.notNow"));
  const node = h("p", { class: "banner notification-offer", hidden: true }, text, h("span", { class: "banner-links" }, no, yes));

  async function accept() {
    const state = await turnOnNotifications();
    if (state === "denied") {
      setText(text, t("notify.blocked"));
      yes.hidden = true;
      setText(no, t("notice.understood"));
    } else if (state === "on") node.hidden = true;
  }

  function decline() {
    turnOffNotifications();
    node.hidden = true;
  }

  return {
    node,
    /** Shows the line, unless the user has decided before. */
    consider() {
      if (notificationState() !== "off" || notificationsAreDecided()) return;
      node.hidden = false;
      setText(text, t("notify.offer"));
    },
  };
}

/** [the switch, a line about it]: what the settings show. */
export function notificationSwitch() {
  const input = h("input", { type: "checkbox", id: "notifications", role: "switch", "aria-describedby": "notifications-note" });
  const note = h("p", { class: "hint", id: "notifications-note", role: "status" });

  function show() {
    const state = notificationState();
    input.checked = state === "on";
    input.disabled = state === "missing" || state === "denied";
    setText(note, t({ missing: "notify.missing", denied: "notify.blocked" }[state] ?? "notify.hint"));
  }

  input.addEventListener("change", async () => {
    if (input.checked) await turnOnNotifications();
    else turnOffNotifications();
    show();
  });
  show();
  return [h("label", { class: "switch", for: "notifications" }, h("span", {}, t("notify.switch")), input), note];
}
