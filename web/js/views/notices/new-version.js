/** A notice over every page that a newer version of the client is there. */

import { h } from "../../browser/dom.js";
import { t } from "../../text/texts.js";

let shown = null;

/** Shows it once, however often it is asked. */
export function showNewVersion() {
  if (shown?.isConnected) return;
  const reload = h("button", { type: "button", class: "link", onclick: () => location.reload() }, t("page.reload"));
  const later = h("button", { type: "button", class: "link", onclick: () => shown.remove() }, t("page.later"));
  const text = h("span", { role: "status" });
  shown = h("aside", { class: "banner new-version", "aria-label": t("page.newVersion") }, text, h("span", { class: "banner-links" }, later, reload));
  document.body.append(shown);
  text.textContent = t("page.newVersion"); // Said because it comes after its element.
}
