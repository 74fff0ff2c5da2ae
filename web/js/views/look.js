/** How the client looks: light or dark, and in which language. */

import { h } from "../dom.js";
import { t } from "../texts.js";
import { chooseTheme, chosenTheme, THEMES } from "../theme.js";
import { languageChoice } from "./language.js";

export function look() {
  const options = Object.entries(THEMES).map(([value, key]) => h("option", { value, selected: value === chosenTheme() }, t(key)));
  const select = h("select", { id: "theme", onchange: () => chooseTheme(select.value) }, options);
  return h("div", { class: "look" }, h("div", { class: "field" }, h("label", { for: "theme" }, t("look.colours")), select), languageChoice());
}
