/** Whether this browser notifies, and what notifications show. */

import { h } from "../../../browser/dom.js";
import { told } from "../../../server/errors.js";
import { t } from "../../../text/texts.js";
import { notificationSwitch } from "../../notices/notifications.js";
import { turnOn } from "../../parts/held.js";

export function stateOfPreviews({ push_previews }) {
  return push_previews ? t("settings.showMessages") : t("settings.hideMessages");
}

export function previews({ messenger, api }) {
  const input = h("input", { type: "checkbox", id: "push-previews", role: "switch", "aria-describedby": "previews-note" });
  input.checked = messenger.session.user.push_previews;
  const hint = t("settings.previewsHint");
  const note = h("p", { class: "hint", id: "previews-note", role: "status" }, hint);
  input.addEventListener("change", async () => {
    const wanted = input.checked;
    let problem = null;
    input.disabled = true;
    note.textContent = hint;
    try {
      messenger.setUser(await api.patch("/v1/users/me", { push_previews: wanted }));
    } catch (error) {
      problem = error;
      input.checked = !wanted;
      note.textContent = told(error);
    }
    turnOn(input, problem);
    input.focus();
  });
  return h("div", { class: "switches" }, ...notificationSwitch(), h("label", { class: "switch", for: "push-previews" }, h("span", {}, t("settings.previews")), input), note);
}
