/** A person's initials on a colour that is always theirs. No picture: on a host of their choice it
 * would tell them who looks at it, when and from where. */

import { h } from "../../browser/dom.js";
import { initials, toneOf } from "../../text/format.js";

/** An empty avatar; fill it with `showAvatar`. */
export function avatar(size = "") {
  return h("span", { class: `avatar ${size}`, "aria-hidden": "true" });
}

export function showAvatar(node, id, name) {
  const shown = `${id} ${name}`;
  if (node.dataset.shown === shown) return;
  node.dataset.shown = shown;
  node.dataset.tone = toneOf(id);
  node.replaceChildren(name === "…" ? "" : initials(name));
}
