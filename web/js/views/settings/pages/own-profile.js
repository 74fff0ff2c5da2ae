/** The user's own profile, as others see it. */

import { h } from "../../../browser/dom.js";
import { handleOf } from "../../../text/format.js";
import { t } from "../../../text/texts.js";
import { field, form } from "../../parts/fields.js";

export function profile({ messenger, api }) {
  const { user } = messenger.session;
  const fields = {
    display_name: field(t("settings.name"), { value: user.display_name, most: 64, autocomplete: "name" }),
    about: field(t("settings.about"), { value: user.about ?? "", most: 140 }),
  };
  const { node } = form(fields, {
    submitLabel: t("common.save"),
    busyLabel: t("common.saving"),
    onSubmit: async (values) => {
      messenger.setUser(await api.patch("/v1/users/me", values));
      return t("common.saved");
    },
  });
  return h("div", {}, h("p", { class: "hint" }, t("settings.findYou", { username: handleOf(user.username) })), node);
}
