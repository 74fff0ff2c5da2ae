/** What the user typed, or sees only once, and would lose by leaving. */

import { t } from "../../text/texts.js";

/** Whether `node` has such content. `data-unsaved` on an element inside is the question to ask. */
export function isUnsaved(node) {
  return Boolean(node.querySelector("[data-unsaved]")) || [...node.querySelectorAll("input:not([type=checkbox]), textarea")].some(isTyped);
}

/** Whether `node` can be removed: nothing is lost with it, or the user agrees. */
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

// The browser filled it in, not the user.
function isTyped(input) {
  return input.value !== input.defaultValue && !input.matches(":autofill");
}
