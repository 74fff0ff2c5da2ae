/** Another password. */

import { field } from "./fields.js";
import { proofForm } from "./proof.js";

export function password({ api }) {
  const fields = {
    current_password: field("Current password", { type: "password", autocomplete: "current-password" }),
    new_password: field("New password", { type: "password", autocomplete: "new-password", hint: "At least 10 characters." }),
  };
  const { node } = proofForm(fields, {
    submitLabel: "Change password",
    busyLabel: "Changing…",
    submitClass: "quiet",
    onSubmit: async (values) => {
      await api.post("/v1/auth/password", values);
      return "Changed. Your other devices are signed out.";
    },
  });
  return node;
}
