/** The programs that the user allowed, what each may do, and a button to end its access. */

import { h } from "../../../browser/dom.js";
import { told } from "../../../server/errors.js";
import { exactTime, facts } from "../../../text/format.js";
import { has, list, t } from "../../../text/texts.js";
import { outcomeLine } from "../../parts/outcome.js";

// The server may know more than this client.
function said({ scope, text }) {
  return has(`scope.${scope}`) ? t(`scope.${scope}`) : text;
}

export function stateOfPrograms({ items }) {
  return items.length ? t("settings.countPrograms", { count: items.length }) : t("settings.none");
}

/** The list, which loads itself. */
export function allowedPrograms({ api, onState }) {
  const programs = h("ul", { class: "devices", "aria-label": t("settings.programs") });
  const { node: note, say, attempt } = outcomeLine();

  async function load() {
    const { items } = await api.get("/v1/auth/programs");
    programs.replaceChildren(...items.map(row));
    count();
    return items.length ? "" : t("programs.none");
  }

  function count() {
    onState(stateOfPrograms({ items: [...programs.children] }));
  }

  function row(program) {
    const { name } = program;
    const may = t("programs.may", { what: list(program.permissions.map(said)) });
    const end = async () => {
      await api.delete(`/v1/auth/programs/${program.client_id}`);
      item.remove();
      count();
      return t("programs.ended", { name });
    };
    const button = h("button", { type: "button", class: "button quiet", "aria-label": t("programs.endOf", { name }), onclick: () => attempt(button, end) }, t("programs.end"));
    const item = h(
      "li",
      { class: "device" },
      h("div", { class: "device-names" }, h("strong", { dir: "auto" }, name), h("span", { class: "hint" }, facts(may, t("programs.since", { when: exactTime(program.agreed_at) })))),
      button,
    );
    return item;
  }

  load().then((text) => say(text), (error) => say(told(error), true));
  return h("div", { class: "device-list programs" }, programs, note);
}
