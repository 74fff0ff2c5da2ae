/** Copies text, also where the browser keeps its clipboard from pages. */

import { h } from "./dom.js";

/** Copies a text. Says whether it did. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text); // On plain http there is no clipboard.
    return true;
  } catch {
    return copyByField(text);
  }
}

/** Copies a text. Where it cannot, it selects `shown`, so that people can copy that. Says whether it did. */
export async function copyOrSelect(text, shown) {
  const isCopied = await copy(text);
  if (!isCopied) getSelection().selectAllChildren(shown);
  return isCopied;
}

function copyByField(text) {
  const focused = document.activeElement;
  const field = h("textarea", { class: "visually-hidden", readonly: true, tabindex: "-1", "aria-hidden": "true" });
  field.value = text;
  // Under an open dialog, nothing outside it can be selected.
  const place = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  place.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focused?.focus({ preventScroll: true });
  return isCopied;
}
