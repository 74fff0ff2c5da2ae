/** A person's picture, or their initials on a colour that is always theirs. */

import { h } from "../dom.js";
import { initials, toneOf } from "../format.js";

/** An empty avatar; fill it with `showAvatar`. */
export function avatar(size = "") {
  return h("span", { class: `avatar ${size}`, "aria-hidden": "true" });
}

export function showAvatar(node, id, name, url) {
  const shown = `${id} ${name} ${url ?? ""}`;
  if (node.dataset.shown === shown) return;
  node.dataset.shown = shown;
  node.dataset.tone = toneOf(id);
  node.replaceChildren(name === "…" ? "" : initials(name));
  if (!url?.startsWith("https://")) return;
  // The picture's host is anyone's: it learns neither where we are nor what we read.
  const picture = h("img", { src: url, alt: "", referrerpolicy: "no-referrer", loading: "lazy" });
  picture.addEventListener("error", () => picture.remove());
  node.append(picture);
}
