/** A forgotten password: asking for a link, and setting a new password with it. */

import { h } from "../../browser/dom.js";
import { requestReset, resetPassword } from "../../server/api.js";
import { t } from "../../text/texts.js";
import { field, form } from "../parts/fields.js";

/** Asks for a mail. */
export function forgottenForm(api, { onBack }) {
  const fields = {
    email: field(t("register.email"), { type: "email", autocomplete: "email", required: true }),
    username: field(t("recovery.username"), { autocomplete: "username", autocapitalize: "none", spellcheck: "false", most: 32 }),
  };
  const { node } = form(fields, {
    submitLabel: t("recovery.submit"),
    busyLabel: t("recovery.busy"),
    onSubmit: async ({ email, username }) => {
      await requestReset(api, email.trim(), username.trim());
      return t("recovery.sent");
    },
  });
  node.append(h("button", { type: "button", class: "link", onclick: onBack }, t("recovery.back")));
  return node;
}

/** Sets a new password with the token of a link. */
export function newPasswordForm(api, token, { onDone }) {
  const fields = {
    new_password: field(t("recovery.newPassword"), { type: "password", autocomplete: "new-password", required: true, hint: t("form.passwordHint") }),
  };
  const { node } = form(fields, {
    submitLabel: t("recovery.setSubmit"),
    busyLabel: t("recovery.setBusy"),
    onSubmit: async ({ new_password }) => {
      await resetPassword(api, token, new_password);
      onDone();
    },
  });
  return node;
}
