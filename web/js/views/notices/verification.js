/** A line that asks for an e-mail address to be verified, until it is. */

import { h, setText } from "../../browser/dom.js";
import { browser } from "../../browser/storage.js";
import { told } from "../../server/errors.js";
import { t } from "../../text/texts.js";
import { turnOn } from "../parts/held.js";

const LATER = 7 * 86_400_000;

export function verificationLine({ messenger }) {
  const { session, api } = messenger;
  const text = h("span", { role: "status" });
  const again = h("button", { type: "button", class: "link", onclick: send }, t("verify.again"));
  const later = h("button", { type: "button", class: "link", onclick: hide }, t("verify.later"));
  const node = h("p", { class: "banner verification", hidden: true }, text, h("span", { class: "banner-links" }, again, later));
  const key = `parley.verify-later.${session.user.id}`;
  let dismissed = browser.read(key) > Date.now();
  let said = null;

  async function send() {
    again.disabled = true;
    let problem = null;
    try {
      await api.post("/v1/auth/email/verify-request");
      say(t("verify.sentAgain", { email: session.user.email }));
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
    const { email_verified, pending_email } = session.user;
    if (!node.isConnected) document.removeEventListener("visibilitychange", look);
    else if (document.visibilityState === "visible" && (!email_verified || pending_email)) messenger.lookAtProfile().catch(() => null);
  }

  function render() {
    node.hidden = dismissed || session.user.email_verified !== false;
    setText(text, said ?? t("verify.mailed", { email: session.user.email }));
  }

  document.addEventListener("visibilitychange", look);
  return { node, render, say };
}
