/** What somebody typed, or was shown for once, and would lose by leaving. */

import { t } from "../texts.js";

/** Whether `node` has such. `data-unsaved` on an element inside is a question to ask for it. */
export function isUnsaved(node) {
  return Boolean(node.querySelector("[data-unsaved]")) || [...node.querySelectorAll("input:not([type=checkbox]), textarea")].some(isTyped);
}

/** Whether `node` can be taken away: nothing is lost with it, or its user agrees. */
export function mayLose(node) {
  const question = node.querySelector("[data-unsaved]")?.dataset.unsaved ?? t("settings.leaveQuestion");
  return !isUnsaved(node) || confirm(question);
}

/** Notes that what fields hold now is saved. Passwords are forgotten. */
export function saved(inputs) {
  for (const input of inputs) {
    if (input.type === "password") input.value = "";
    input.defaultValue = input.value;
  }
}

// What the browser filled in by itself was typed by nobody.
function isTyped(input) {
  return input.value !== input.defaultValue && !input.matches(":autofill");
}
