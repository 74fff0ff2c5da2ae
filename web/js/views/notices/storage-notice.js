/** A line that says that this browser keeps nothing, and what that means. */

import { h } from "../../browser/dom.js";
import { hasFailed, onFailure } from "../../browser/storage.js";
import { t } from "../../text/texts.js";

/** {node, stop}. */
export function storageNotice() {
  const dismiss = h("button", { type: "button", class: "link", onclick: () => { dismissed = true; show(); } }, t("notice.understood"));
  const node = h("p", { class: "banner storage-notice", hidden: true }, h("span", { role: "status" }, t("notice.notKept")), h("span", { class: "banner-links" }, dismiss));
  let dismissed = false;

  function show() {
    node.hidden = dismissed || !hasFailed();
  }

  show();
  return { node, stop: onFailure(show) };
}
