/** The second step of signing in, or of a change that asks who is there once more. */

import { answer } from "../../account/passkeys.js";
import { h } from "../../browser/dom.js";
import { t } from "../../text/texts.js";
import { field, form } from "../parts/fields.js";
import { passkeyButton } from "./passkey-button.js";

export const CODE = { autocomplete: "one-time-code", autocapitalize: "none", spellcheck: "false", most: 64, required: true };

/** Asks for a code, or a passkey where there is one. `again(more)` tries once more with either, and
 * what comes of it goes to `onDone`; `refused` is how the server asked. */
export function secondStep({ again, refused, onDone, submitLabel = t("signIn.submit"), submitClass = "primary" }) {
  const fields = { second_factor: field(t("secondStep.code"), { ...CODE, hint: t("secondStep.hint") }) };
  const { node } = form(fields, {
    submitLabel,
    busyLabel: t("common.checking"),
    submitClass,
    onSubmit: async ({ second_factor }) => onDone(await again({ second_factor: second_factor.trim() })),
  });
  return h("div", { class: "sign-in-ways" }, node, refused.passkey ? passkeyButton(byPasskey) : null);

  // A challenge of a passkey is good once: a second try asks the server for another one.
  async function byPasskey() {
    const asked = refused;
    refused = null;
    const { passkey } = asked ?? (await again({}).catch(onlyAsked));
    onDone(await again({ passkey: await answer(passkey) }));
  }
}

function onlyAsked(error) {
  if (!error.passkey) throw error;
  return error;
}
