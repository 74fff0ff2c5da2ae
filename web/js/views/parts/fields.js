/** Form fields with a label, a hint and a place for an error. */

import { h, setText } from "../../browser/dom.js";
import { told } from "../../server/errors.js";
import { lengthOf } from "../../text/text.js";
import { t } from "../../text/texts.js";
import { saved } from "../settings/unsaved.js";
import { turnOn } from "./held.js";

let count = 0;

const FIELD_OF_CODE = { username_taken: "username" };

/** A labelled input; `problem(text)` shows or clears what is wrong with it. `most`: how many characters
 * the server takes. More of them can be typed, so that nothing is cut, but not sent. */
export function field(label, { hint = "", tag = "input", most = Infinity, ...attributes }) {
  const id = `field-${(count += 1)}`;
  const input = h(tag, { id, dir: "auto", "aria-describedby": `${id}-note`, ...attributes });
  const note = h("p", { id: `${id}-note`, class: "field-note" }, hint);
  const node = h("div", { class: "field" }, h("label", { for: id }, label), input, note);
  const problem = (text = "") => {
    setText(note, text || hint);
    node.classList.toggle("has-problem", Boolean(text));
    input.setAttribute("aria-invalid", String(Boolean(text)));
  };
  const tooLong = () => {
    const over = lengthOf(input.value) - most;
    return over > 0 ? t("form.overLimit", { over, count: most }) : "";
  };
  input.addEventListener("input", () => problem(tooLong()));
  return { node, input, problem, tooLong };
}

/** Runs a form: one submission at a time, errors beside their fields or in the form's own line.
 * `onSubmit` answers what to say, or false: nothing is done yet. */
export function form(fields, { submitLabel, busyLabel, submitClass = "primary", onSubmit }) {
  const message = h("p", { class: "form-message", role: "status" });
  const button = h("button", { type: "submit", class: `button ${submitClass}` }, submitLabel);
  const node = h("form", { novalidate: true }, Object.values(fields).map((one) => one.node), message, button);
  const say = (text, isProblem = true) => {
    message.classList.toggle("is-problem", isProblem);
    setText(message, text);
  };
  const done = (text) => {
    saved(Object.values(fields).map((one) => one.input));
    say(text ?? "", false);
  };
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    say("");
    Object.values(fields).forEach((one) => one.problem(one.tooLong()));
    const long = Object.values(fields).find((one) => one.tooLong());
    if (long) {
      long.input.focus();
      return;
    }
    button.disabled = true;
    button.textContent = busyLabel;
    let problem = null;
    try {
      const values = Object.entries(fields).map(([name, one]) => [name, one.input.value]);
      const said = await onSubmit(Object.fromEntries(values));
      if (said !== false) done(said);
    } catch (error) {
      problem = error;
      showProblem(error, fields, say);
    } finally {
      turnOn(button, problem);
      button.textContent = submitLabel;
    }
  });
  return { node, done };
}

function showProblem(error, fields, say) {
  const named = { [FIELD_OF_CODE[error.code]]: error.message, ...error.fields };
  const shown = Object.entries(named).filter(([name]) => fields[name]);
  for (const [name, text] of shown) fields[name].problem(text);
  if (shown.length) fields[shown[0][0]].input.focus();
  else say(told(error));
}
