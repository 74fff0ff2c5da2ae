/** Changing the password. */

import { t } from "../../../text/texts.js";
import { field } from "../../parts/fields.js";
import { proofForm } from "../../sign-in/proof.js";

export function password({ api }) {
  const fields = {
    current_password: field(t("password.current"), { type: "password", autocomplete: "current-password" }),
    new_password: field(t("password.new"), { type: "password", autocomplete: "new-password", hint: t("form.passwordHintShort") }),
  };
  const { node } = proofForm(fields, {
    submitLabel: t("password.submit"),
    busyLabel: t("common.changing"),
    submitClass: "quiet",
    onSubmit: async (values) => {
      await api.post("/v1/auth/password", values);
      return t("password.done");
    },
  });
  return node;
}
