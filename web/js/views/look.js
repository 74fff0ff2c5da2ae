/** How the client looks: light or dark, and in which language. */

import { h } from "../dom.js";
import { t } from "../texts.js";
import { chooseTheme, chosenTheme, THEMES } from "../theme.js";
import { languageChoice } from "./language.js";

export function stateOfLook() {
  return t(THEMES[chosenTheme()]);
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
