/** Forms that ask for the password, and then for the second factor, where the account has one. */

import { h } from "../dom.js";
import { t } from "../texts.js";
import { field, form } from "./fields.js";
import { secondStep } from "./second-step.js";

/** As `form`. Where the server asks for a second factor, that takes the place of the form for a
 * moment, and `onSubmit` is called again with what was given besides. */
export function proofForm(fields, { onSubmit, ...options }) {
  const { node: asking, say } = form(fields, { ...options, onSubmit: attempt });
  const node = h("div", { class: "proof" }, asking);

  async function attempt(values) {
    try {
      return await onSubmit(values);
    } catch (error) {
      if (error.code !== "second_factor_required") throw error;
      const again = (more) => onSubmit({ ...values, ...more });
      const step = secondStep({ again, refused: error, onDone: back, submitLabel: options.submitLabel, submitClass: options.submitClass });
      node.replaceChildren(step, h("button", { type: "button", class: "link", onclick: () => back("") }, t("common.cancel")));
      node.querySelector("input").focus();
    }
  }

  function back(said) {
    node.replaceChildren(asking);
    say(said ?? "", false);
  }

  return { node };
}

/** Asks for nothing but that. */
export function passwordForm(submitLabel, onSubmit) {
  const fields = { password: field(t("form.passwordAgain"), { type: "password", autocomplete: "current-password", required: true }) };
  return proofForm(fields, { submitLabel, busyLabel: t("common.checking"), submitClass: "quiet", onSubmit }).node;
}
