/** The choice between light and dark. */

import { h } from "../dom.js";
import { chooseTheme, chosenTheme, THEMES } from "../theme.js";

export function stateOfLook() {
  return THEMES[chosenTheme()];
}

export function look({ onState }) {
  const options = Object.entries(THEMES).map(([value, label]) => h("option", { value, selected: value === chosenTheme() }, label));
  const select = h("select", { id: "theme", onchange: choose }, options);

  function choose() {
    chooseTheme(select.value);
    onState(stateOfLook());
  }

  return h("div", { class: "field" }, h("label", { for: "theme" }, "Colours"), select);
}
