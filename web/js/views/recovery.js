/** A forgotten password: asking for a link, and setting a new password with it. */

import { requestReset, resetPassword } from "../api.js";
import { h } from "../dom.js";
import { field, form } from "./fields.js";

/** Asks for a mail. */
export function forgottenForm(api, { onBack }) {
  const fields = {
    email: field("E-mail", { type: "email", autocomplete: "email", required: true }),
    username: field("Username, if you know it", { autocomplete: "username", autocapitalize: "none", spellcheck: "false", most: 32 }),
  };
  const { node } = form(fields, {
    submitLabel: "Mail me a link",
    busyLabel: "Asking…",
    onSubmit: async ({ email, username }) => {
      await requestReset(api, email.trim(), username.trim());
      return "If an account has this address, a link is on its way to it. It takes up to a minute. If one was mailed within the last 10 minutes, use that.";
    },
  });
  node.append(h("button", { type: "button", class: "link", onclick: onBack }, "Back to signing in"));
  return node;
}

/** Sets a new password with the token of a link. */
export function newPasswordForm(api, token, { onDone }) {
  const fields = {
    new_password: field("New password", { type: "password", autocomplete: "new-password", required: true, hint: "At least 10 characters. A few words are good." }),
  };
  const { node } = form(fields, {
    submitLabel: "Set new password",
    busyLabel: "Setting…",
    onSubmit: async ({ new_password }) => {
      await resetPassword(api, token, new_password);
      onDone();
    },
  });
  return node;
}
