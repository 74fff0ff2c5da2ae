/** A menu of actions, as a layer over the page: by mouse, by touch and by keys (WAI-ARIA, "Menu"). */

import { h } from "../../browser/dom.js";
import { icon } from "../../icons.js";
import { openLayer } from "./layers.js";

const EDGE = 8;
const OUTSIDE = ["pointerdown", "wheel"];

/** Opens a menu at a point. `items`: { icon, label, run }. `goBack()` focuses what it was opened from. */
export function openMenu({ label, items, at, goBack }) {
  const node = h(
    "div",
    { class: "menu", role: "menu", "aria-label": label, popover: "manual" },
    items.map((item) => h("button", { type: "button", role: "menuitem", tabindex: "-1", onclick: () => choose(item) }, icon(item.icon), h("span", {}, item.label))),
  );
  const isOutside = ({ target }) => node.contains(target) || close();
  const closed = openLayer(takeAway);

  function takeAway() {
    for (const type of OUTSIDE) removeEventListener(type, isOutside, { capture: true });
    removeEventListener("resize", close);
    const hadFocus = node.contains(document.activeElement);
    node.remove();
    if (hadFocus) goBack();
  }

  function close() {
    if (!node.isConnected) return;
    takeAway();
    closed();
  }

  function choose(item) {
    close();
    item.run();
  }

  node.addEventListener("keydown", (event) => {
    const buttons = [...node.children];
    const here = buttons.indexOf(document.activeElement);
    const around = (index) => (index + buttons.length) % buttons.length;
    const to = { ArrowDown: around(here + 1), ArrowUp: around(here - 1), Home: 0, End: buttons.length - 1 }[event.key];
    const starting = buttons.filter((one) => event.key.length === 1 && one.textContent.toLowerCase().startsWith(event.key.toLowerCase()));
    if (event.key === "Escape" || event.key === "Tab") close();
    else if (to !== undefined) buttons[to].focus();
    else if (starting.length) starting[0].focus();
    else return;
    event.preventDefault();
  });
  for (const type of OUTSIDE) addEventListener(type, isOutside, { capture: true, passive: true });
  addEventListener("resize", close);
  (document.querySelector("main") ?? document.body).append(node);
  node.showPopover();
  place(node, at);
  node.firstElementChild.focus();
}

/** Beside the point, in the direction of the text, and wholly in the window. */
function place(node, { x, y }) {
  const { width, height } = node.getBoundingClientRect();
  const left = document.documentElement.dir === "rtl" ? x - width : x;
  const top = y + height > innerHeight - EDGE ? y - height : y;
  node.style.left = `${Math.max(EDGE, Math.min(left, innerWidth - width - EDGE))}px`;
  node.style.top = `${Math.max(EDGE, top)}px`;
}
