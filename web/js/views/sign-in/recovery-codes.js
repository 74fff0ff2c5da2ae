/** Recovery codes, and two ways to keep them. */

import { copyOrSelect } from "../../browser/clipboard.js";
import { h, setText } from "../../browser/dom.js";
import { t } from "../../text/texts.js";

const LASTS = 60_000;

export function recoveryCodes(codes) {
  const text = `${codes.join("\n")}\n`;
  const note = h("p", { class: "hint", role: "status" });
  const take = h("button", { type: "button", class: "button quiet", onclick: toClipboard }, t("codes.copy"));
  const save = h("button", { type: "button", class: "button quiet", onclick: toFile }, t("codes.download"));
  const list = h("ul", { class: "recovery-codes" }, codes.map((code) => h("li", {}, h("code", {}, code))));

  async function toClipboard() {
    setText(note, (await copyOrSelect(text, list)) ? t("codes.copied") : t("codes.cannotCopy"));
  }

  function toFile() {
    const url = URL.createObjectURL(new Blob([`${t("codes.file")}\n\n${text}`], { type: "text/plain" }));
    h("a", { href: url, download: "parley-recovery-codes.txt" }).click();
    setTimeout(() => URL.revokeObjectURL(url), LASTS);
    setText(note, t("codes.saved"));
  }

  return h("div", { class: "recovery" }, list, h("div", { class: "recovery-ways" }, take, save), note);
}
