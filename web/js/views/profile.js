/** How others see one. */

import { h } from "../dom.js";
import { field, form } from "./fields.js";

export function profile({ messenger, api }) {
  const { user } = messenger.session;
  const fields = {
    display_name: field("Your name", { value: user.display_name, most: 64, autocomplete: "name" }),
    about: field("About you", { value: user.about ?? "", most: 140 }),
  };
  const { node } = form(fields, {
    submitLabel: "Save",
    busyLabel: "Saving…",
    onSubmit: async (values) => {
      messenger.setUser(await api.patch("/v1/users/me", values));
      return "Saved.";
    },
  });
  return h("div", {}, h("p", { class: "hint" }, `Others find you as @${user.username}.`), node);
}
