/** A line that says that this browser keeps nothing, and what that means. */

import { h } from "../dom.js";
import { hasFailed, onFailure } from "../storage.js";

/** {node, stop}. */
export function storageNotice() {
  const text = "This browser has no space left for Parley, or is told to keep no data of it. Unsent messages, drafts and your sign-in are lost when you close this tab.";
  const dismiss = h("button", { type: "button", class: "link", onclick: () => { dismissed = true; show(); } }, "I understand");
  const node = h("p", { class: "banner storage-notice", hidden: true }, h("span", { role: "status" }, text), h("span", { class: "banner-links" }, dismiss));
  let dismissed = false;

  function show() {
    node.hidden = dismissed || !hasFailed();
  }

  show();
  return { node, stop: onFailure(show) };
}
