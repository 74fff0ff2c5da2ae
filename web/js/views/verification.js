/** A line that asks for an e-mail address to be verified, until it is. */

import { h, setText } from "../dom.js";
import { told } from "../errors.js";
import { browser } from "../storage.js";
import { turnOn } from "./held.js";

const LATER = 7 * 86_400_000;

export function verificationLine({ messenger }) {
  const { session, api } = messenger;
  const text = h("span", { role: "status" });
  const again = h("button", { type: "button", class: "link", onclick: send }, "Send the link again");
  const later = h("button", { type: "button", class: "link", onclick: hide }, "Later");
  const node = h("p", { class: "banner verification", hidden: true }, text, h("span", { class: "banner-links" }, again, later));
  const key = `parley.verify-later.${session.user.id}`;
  let dismissed = browser.read(key) > Date.now();
  let said = null;

  async function send() {
    again.disabled = true;
    let problem = null;
    try {
      await api.post("/v1/auth/email/verify-request");
      say(`A new link is on its way to ${session.user.email}, unless one was mailed within the last 10 minutes.`);
    } catch (error) {
      problem = error;
      say(told(error));
    }
    turnOn(again, problem);
  }

  function say(what) {
    said = what;
    render();
  }

  function hide() {
    dismissed = true;
    browser.write(key, Date.now() + LATER);
    render();
  }

  /** The link may have been opened elsewhere meanwhile. */
  function look() {
    if (!node.isConnected) document.removeEventListener("visibilitychange", look);
    else if (document.visibilityState === "visible" && session.user.email_verified === false) messenger.lookAtProfile().catch(() => null);
  }

  function render() {
    node.hidden = dismissed || session.user.email_verified !== false;
    setText(text, said ?? `A link was mailed to ${session.user.email}. Open it to be able to sign in with this address.`);
  }

  document.addEventListener("visibilitychange", look);
  return { node, render, say };
}
