/** The choice of a language, each by its own name. */

import { h } from "../../../browser/dom.js";
import { chooseLanguage, chosenLanguage } from "../../../text/language.js";
import { LANGUAGES } from "../../../text/languages.js";
import { t } from "../../../text/texts.js";

const ID = "language";
let choosing = false;

export function languageChoice() {
  const chosen = chosenLanguage();
  const option = (value, label, more = {}) => h("option", { value, selected: value === chosen, ...more }, label);
  const named = LANGUAGES.map(({ tag, name, dir }) => option(tag, name, { lang: tag, dir }));
  const select = h("select", { id: ID, "aria-describedby": "language-note", onchange: choose }, option("browser", t("language.browser")), named);
  const note = h("p", { id: "language-note", class: "field-note", role: "status" });

  async function choose() {
    note.textContent = "";
    choosing = true;
    try {
      await chooseLanguage(select.value);
    } catch {
      select.value = chosenLanguage();
      note.textContent = t("language.notLoaded");
    }
    choosing = false;
  }

  return h("div", { class: "field" }, h("label", { for: ID }, t("language.label")), select, note);
}

/** Draws the page again by `draw`, and keeps the focus of a user who chose a language. */
export function drawAgain(draw) {
  draw();
  if (choosing) document.getElementById(ID)?.focus();
}
