/** A button that has a passkey answer, or says where that works. */

import { namedAddress } from "../../account/passkeys.js";
import { h } from "../../browser/dom.js";
import { parts, t } from "../../text/texts.js";
import { form } from "../parts/fields.js";

export function passkeyButton(onSubmit) {
  if (namedAddress()) return moved();
  return form({}, { submitLabel: t("passkey.use"), busyLabel: t("passkey.useBusy"), submitClass: "quiet", onSubmit }).node;
}

export function moved() {
  return h("p", { class: "hint" }, parts("passkey.otherAddress", { address: h("a", { href: namedAddress(), dir: "ltr" }, namedAddress()) }));
}
