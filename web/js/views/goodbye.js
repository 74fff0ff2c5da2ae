/** The way out. */

import { h } from "../dom.js";
import { field } from "./fields.js";
import { proofForm } from "./proof.js";

export function goodbye({ messenger, api, leave }) {
  const fields = { password: field("Password, to be sure", { type: "password", autocomplete: "current-password" }) };
  const { node } = proofForm(fields, {
    submitLabel: "Delete my account",
    busyLabel: "Deleting…",
    submitClass: "danger",
    onSubmit: async (values) => {
      await api.post("/v1/users/me/delete", values);
      messenger.outbox.clear();
      messenger.drafts.clear();
      messenger.session.end("Your account is deleted.");
      leave("Your account is deleted.");
    },
  });
  const what = "Your profile and devices go; what you wrote stays with those you wrote to, as from a deleted user.";
  return h("details", { class: "danger" }, h("summary", {}, "I want to leave"), h("p", { class: "hint" }, what), node);
}
