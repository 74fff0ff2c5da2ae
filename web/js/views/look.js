/** The choice between light and dark. */

import { h } from "../dom.js";
import { chooseTheme, chosenTheme, THEMES } from "../theme.js";

export function look() {
  const options = Object.entries(THEMES).map(([value, label]) => h("option", { value, selected: value === chosenTheme() }, label));
  const select = h("select", { id: "theme", onchange: () => chooseTheme(select.value) }, options);
  return h("div", { class: "field" }, h("label", { for: "theme" }, "Colours"), select);
}
