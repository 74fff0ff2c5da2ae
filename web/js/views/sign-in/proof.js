/** Forms that ask for the password, and then for the second factor, where the account has one. */

import { h } from "../../browser/dom.js";
import { t } from "../../text/texts.js";
import { field, form } from "../parts/fields.js";
import { secondStep } from "./second-step.js";

/** As `form`. Where the server asks for a second factor, that takes the place of the form for a
 * moment, and `onSubmit` is called again with what was given besides. */
export function proofForm(fields, { onSubmit, ...options }) {
  const { node: asking, done } = form(fields, { ...options, onSubmit: attempt });
  const node = h("div", { class: "proof" }, asking);

  async function attempt(values) {
    try {
      return await onSubmit(values);
    } catch (error) {
      if (error.code === "invalid_credentials") error.message = t("error.wrongPassword");
      if (error.code !== "second_factor_required") throw error;
      const again = (more) => onSubmit({ ...values, ...more });
      const onDone = (said) => {
        back();
        done(said);
      };
      const step = secondStep({ again, refused: error, onDone, submitLabel: options.submitLabel, submitClass: options.submitClass });
      asking.hidden = true;
      node.append(step, h("button", { type: "button", class: "link", onclick: back }, t("common.cancel")));
      step.querySelector("input").focus();
      return false;
    }
  }

  function back() {
    asking.hidden = false;
    node.replaceChildren(asking);
  }

  return { node };
}

/** Asks for the password only. */
export function passwordForm(submitLabel, onSubmit) {
  const fields = { password: field(t("form.passwordAgain"), { type: "password", autocomplete: "current-password", required: true }) };
  return proofForm(fields, { submitLabel, busyLabel: t("common.checking"), submitClass: "quiet", onSubmit }).node;
}
