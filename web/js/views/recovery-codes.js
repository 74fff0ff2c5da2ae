/** Recovery codes, and two ways to keep them. */

import { copy } from "../clipboard.js";
import { h, setText } from "../dom.js";

const LASTS = 60_000;

export function recoveryCodes(codes) {
  const text = `${codes.join("\n")}\n`;
  const note = h("p", { class: "hint", role: "status" });
  const take = h("button", { type: "button", class: "button quiet", onclick: toClipboard }, "Copy");
  const save = h("button", { type: "button", class: "button quiet", onclick: toFile }, "Download");
  const list = h("ul", { class: "recovery-codes" }, codes.map((code) => h("li", {}, h("code", {}, code))));

  async function toClipboard() {
    const isCopied = await copy(text, list);
    setText(note, isCopied ? "Copied. Paste them in a safe place." : "This browser does not let the page copy. The codes are selected: copy them with your keyboard.");
  }

  function toFile() {
    const url = URL.createObjectURL(new Blob([`Parley recovery codes\n\n${text}`], { type: "text/plain" }));
    h("a", { href: url, download: "parley-recovery-codes.txt" }).click();
    setTimeout(() => URL.revokeObjectURL(url), LASTS);
    setText(note, "Keep the file in a safe place.");
  }

  return h("div", { class: "recovery" }, list, h("div", { class: "recovery-ways" }, take, save), note);
}
