/** Form fields with a label, a hint and a place for what is wrong with them. */

import { h, setText } from "../dom.js";

let count = 0;

const FIELD_OF_CODE = { username_taken: "username" };

/** A labelled input; `problem(text)` shows or clears what is wrong with it. */
export function field(label, { hint = "", tag = "input", ...attributes }) {
  const id = `field-${(count += 1)}`;
  const input = h(tag, { id, "aria-describedby": `${id}-note`, ...attributes });
  const note = h("p", { id: `${id}-note`, class: "field-note" }, hint);
  const node = h("div", { class: "field" }, h("label", { for: id }, label), input, note);
  const problem = (text = "") => {
    setText(note, text || hint);
    node.classList.toggle("has-problem", Boolean(text));
    input.setAttribute("aria-invalid", String(Boolean(text)));
  };
  input.addEventListener("input", () => problem());
  return { node, input, problem };
}

/** Runs a form: one submission at a time, errors beside their fields or in the form's own line. */
export function form(fields, { submitLabel, busyLabel, submitClass = "primary", onSubmit }) {
  const message = h("p", { class: "form-message", role: "status" });
  const button = h("button", { type: "submit", class: `button ${submitClass}` }, submitLabel);
  const node = h("form", { novalidate: true }, Object.values(fields).map((one) => one.node), message, button);
  const say = (text, isProblem = true) => {
    message.classList.toggle("is-problem", isProblem);
    setText(message, text);
  };
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    button.textContent = busyLabel;
    say("");
    Object.values(fields).forEach((one) => one.problem());
    try {
      const values = Object.entries(fields).map(([name, one]) => [name, one.input.value]);
      const said = await onSubmit(Object.fromEntries(values));
      if (said) say(said, false);
    } catch (error) {
      showProblem(error, fields, say);
    } finally {
      button.disabled = false;
      button.textContent = submitLabel;
    }
  });
  return { node, say };
}

function showProblem(error, fields, say) {
  const named = { [FIELD_OF_CODE[error.code]]: error.message, ...error.fields };
  const told = Object.entries(named).filter(([name]) => fields[name]);
  for (const [name, text] of told) fields[name].problem(text);
  if (told.length) fields[told[0][0]].input.focus();
  else say(error.message);
}
