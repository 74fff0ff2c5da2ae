/** A small dialog with information. */

import { h } from "../../browser/dom.js";
import { icon } from "../../icons.js";
import { t } from "../../text/texts.js";
import { openLayer } from "./layers.js";

let count = 0;

/** Opens it. `render()` answers what it shows, and is called once more when the store changes. */
export function openSheet({ title, store, render }) {
  const id = `sheet-${(count += 1)}`;
  const body = h("div", { class: "sheet-body" });
  const node = h(
    "dialog",
    { class: "sheet", "aria-labelledby": id },
    h("header", { class: "bar" }, h("h2", { id }, title), h("button", { type: "button", class: "tool", "aria-label": t("common.close"), onclick: () => node.close() }, icon("close"))),
    body,
  );
  const show = () => {
    const next = render();
    if (body.textContent !== next.textContent) body.replaceChildren(next);
  };
  const unsubscribe = store.subscribe(show);
  const closed = openLayer(() => node.close());
  node.addEventListener("close", () => {
    unsubscribe();
    node.remove();
    closed();
  });
  node.addEventListener("click", ({ target }) => target === node && node.close());
  show();
  document.body.append(node);
  node.showModal();
}

/** Pairs of a name and what there is to say, as a list; without those that have nothing to say. */
export function factList(pairs) {
  const told = pairs.filter(([, value]) => value);
  return h("dl", { class: "facts" }, told.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, h("bdi", {}, value)))));
}
