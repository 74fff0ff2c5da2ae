/** Deleting the account. */

import { h } from "../../../browser/dom.js";
import { t } from "../../../text/texts.js";
import { field } from "../../parts/fields.js";
import { proofForm } from "../../sign-in/proof.js";

export function goodbye({ messenger, api, leave }) {
  const fields = { password: field(t("form.passwordAgain"), { type: "password", autocomplete: "current-password" }) };
  const { node } = proofForm(fields, {
    submitLabel: t("leave.submit"),
    busyLabel: t("leave.busy"),
    submitClass: "danger",
    onSubmit: async (values) => {
      await api.post("/v1/users/me/delete", values);
      messenger.outbox.clear();
      messenger.drafts.clear();
      const reason = t("signOut.accountDeleted");
      messenger.session.end(reason);
      leave(reason);
    },
  });
  return h("details", { class: "danger" }, h("summary", {}, t("leave.open")), h("p", { class: "hint" }, t("leave.explained")), node);
}
