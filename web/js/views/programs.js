/** The programs that one has let in, what each may do, and the way to end that. */

import { h } from "../dom.js";
import { told } from "../errors.js";
import { exactTime } from "../format.js";
import { turnOn } from "./held.js";

export function stateOfPrograms({ items }) {
  return items.length ? `${items.length} program${items.length === 1 ? "" : "s"}` : "None";
}

/** The list, which loads itself. */
export function programs({ api, onState }) {
  const list = h("ul", { class: "devices", "aria-label": "Programs" });
  const note = h("p", { class: "form-message", role: "status" }, "Loading…");

  async function load() {
    const { items } = await api.get("/v1/auth/programs");
    list.replaceChildren(...items.map(row));
    count();
    return items.length ? "" : "No other program uses your account.";
  }

  function count() {
    onState(stateOfPrograms({ items: [...list.children] }));
  }

  function row(program) {
    const may = program.permissions.map(({ text }) => text).join(", ");
    const end = async () => {
      await api.delete(`/v1/auth/programs/${program.client_id}`);
      item.remove();
      count();
      return `${program.name} has no access any more.`;
    };
    const button = h("button", { type: "button", class: "button quiet", "aria-label": `End access of ${program.name}`, onclick: () => attempt(button, end) }, "End access");
    const item = h(
      "li",
      { class: "device" },
      h("div", { class: "device-names" }, h("strong", {}, program.name), h("span", { class: "hint" }, `May ${may} · since ${exactTime(program.agreed_at)}`)),
      button,
    );
    return item;
  }

  async function attempt(button, act) {
    button.disabled = true;
    let problem = null;
    try {
      say(await act(), false);
    } catch (error) {
      problem = error;
      say(told(error), true);
    }
    turnOn(button, problem);
  }

  function say(text, isProblem) {
    note.textContent = text;
    note.classList.toggle("is-problem", isProblem);
  }

  load().then((text) => say(text, false), (error) => say(told(error), true));
  return h("div", { class: "device-list programs" }, list, note);
}
