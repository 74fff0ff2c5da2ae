/** How the client looks: light or dark, and in which language. */

import { h } from "../../../browser/dom.js";
import { chooseTheme, chosenTheme, THEMES } from "../../../browser/theme.js";
import { facts } from "../../../text/format.js";
import { chosenLanguage } from "../../../text/language.js";
import { LANGUAGES } from "../../../text/languages.js";
import { t } from "../../../text/texts.js";
import { languageChoice } from "./language.js";

export function stateOfLook() {
  const language = LANGUAGES.find(({ tag }) => tag === chosenLanguage());
  return facts(t(THEMES[chosenTheme()]), language?.name ?? t("language.browser"));
}

export function look({ onState }) {
  const options = Object.entries(THEMES).map(([value, key]) => h("option", { value, selected: value === chosenTheme() }, t(key)));
  const select = h("select", { id: "theme", onchange: choose }, options);

  function choose() {
    chooseTheme(select.value);
    onState(stateOfLook());
  }

  return h("div", { class: "look" }, h("div", { class: "field" }, h("label", { for: "theme" }, t("look.colours")), select), languageChoice());
}
