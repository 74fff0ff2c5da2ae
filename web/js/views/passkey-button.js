/** A button that has a passkey answer, or says where that works. */

import { h } from "../dom.js";
import { namedAddress } from "../passkeys.js";
import { form } from "./fields.js";

export function passkeyButton(onSubmit) {
  if (namedAddress()) return moved();
  return form({}, { submitLabel: "Use a passkey", busyLabel: "Waiting for your passkey…", submitClass: "quiet", onSubmit }).node;
}

export function moved() {
  return h("p", { class: "hint" }, "Passkeys need a name in the address: open ", h("a", { href: namedAddress() }, namedAddress()), " to use them.");
}
