/** A button that has a passkey answer, or says where that works. */

import { h } from "../dom.js";
import { namedAddress } from "../passkeys.js";
import { parts, t } from "../texts.js";
import { form } from "./fields.js";

export function passkeyButton(onSubmit) {
  if (namedAddress()) return moved();
  return form({}, { submitLabel: t("passkey.use"), busyLabel: t("passkey.useBusy"), submitClass: "quiet", onSubmit }).node;
}

export function moved() {
  return h("p", { class: "hint" }, parts("passkey.otherAddress", { address: h("a", { href: namedAddress(), dir: "ltr" }, namedAddress()) }));
}
