/** A line that says how something went. */

import { h } from "../../browser/dom.js";
import { told } from "../../server/errors.js";
import { t } from "../../text/texts.js";
import { turnOn } from "./held.js";

/** {node, say(text, isProblem), attempt(button, act)}. At first it says that something loads. */
export function outcomeLine() {
  const node = h("p", { class: "form-message", role: "status" }, t("common.loading"));

  function say(text, isProblem = false) {
    node.textContent = text;
    node.classList.toggle("is-problem", isProblem);
  }

  /** Runs `act`, with the button off, and says what it returns or why it failed. */
  async function attempt(button, act) {
    button.disabled = true;
    let problem = null;
    say("");
    try {
      say((await act()) ?? "");
    } catch (error) {
      problem = error;
      say(told(error), true);
    }
    turnOn(button, problem);
  }

  return { node, say, attempt };
}
