/** Turning notifications of this browser on: a quiet offer, and a switch for the settings. */

import { h, setText } from "../dom.js";
import { notificationsAreDecided, notificationState, turnOffNotifications, turnOnNotifications } from "../notifications.js";

const BLOCKED = "This browser blocks notifications of Parley. To allow them, open the site's settings beside the address.";
const MISSING = "This browser shows no notifications of this page.";
const HINT = "While Parley is open in this browser, and you are looking at something else.";

/** A line that offers them: never when the page loads, but once it is known what they are good for. */
export function notificationOffer() {
  const text = h("span", { role: "status" });
  const yes = h("button", { type: "button", class: "link", onclick: accept }, "Turn on");
  const no = h("button", { type: "button", class: "link", onclick: decline }, "Not now");
  const node = h("p", { class: "banner notification-offer", hidden: true }, text, h("span", { class: "banner-links" }, no, yes));

  async function accept() {
    const state = await turnOnNotifications();
    if (state === "denied") {
      setText(text, BLOCKED);
      yes.hidden = true;
      setText(no, "I understand");
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
      setText(text, "Get a notification when somebody writes while you look at something else?");
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
    setText(note, { missing: MISSING, denied: BLOCKED }[state] ?? HINT);
  }

  input.addEventListener("change", async () => {
    if (input.checked) await turnOnNotifications();
    else turnOffNotifications();
    show();
  });
  show();
  return [h("label", { class: "switch", for: "notifications" }, h("span", {}, "Notify me in this browser"), input), note];
}
