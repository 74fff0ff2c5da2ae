/** The list of the settings' pages, each with a line that says how it stands. */

import { addressWith } from "../../browser/address.js";
import { h, setText } from "../../browser/dom.js";
import { told } from "../../server/errors.js";
import { t } from "../../text/texts.js";
import { GROUPS, PAGES } from "./settings-pages.js";

/** {node, show(loaded, marked), say(page, text), focus(page)}. `signal` ends it. */
export function settingsList({ messenger, signal, onChoose }) {
  const rows = new Map(Object.keys(PAGES).map((page) => [page, row(page, onChoose)]));
  const problem = h("p", { class: "form-message", role: "status" });
  const node = h("nav", { class: "settings-list", "aria-label": t("settings.pages") }, problem, groupsOf(rows));
  const asked = new Set();
  const failed = new Map();

  function say(page, text) {
    setText(rows.get(page).state, text);
  }

  /** The states from the profile and from this browser. */
  function render() {
    for (const [page, { state }] of Object.entries(PAGES)) if (state) say(page, state(messenger.session.user));
  }

  /** Asks the server once, and again if that failed. */
  async function ask(page) {
    const { path, stateOf } = PAGES[page];
    if (!path || asked.has(page)) return;
    asked.add(page);
    try {
      say(page, stateOf(await messenger.api.get(path)));
      failed.delete(page);
    } catch (error) {
      asked.delete(page);
      failed.set(page, told(error));
    }
    showProblem();
  }

  /** Each reason once, and not in each row. */
  function showProblem() {
    setText(problem, [...new Set(failed.values())].join(" "));
    problem.classList.toggle("is-problem", failed.size > 0);
  }

  /** Marks the page `marked`. The page `loaded` asks the server itself. */
  function show(loaded, marked) {
    asked.add(loaded);
    failed.delete(loaded);
    showProblem();
    for (const [page, { link }] of rows) {
      if (page === marked) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
      ask(page);
    }
    render();
  }

  render();
  signal.addEventListener("abort", messenger.store.subscribe(render));
  return { node, show, say, focus: (page) => rows.get(page).link.focus() };
}

/** The rows under the headings of their groups. */
function groupsOf(rows) {
  return Object.entries(GROUPS).map(([id, label]) => {
    const pages = Object.keys(PAGES).filter((page) => PAGES[page].group === id);
    return [
      h("p", { class: "settings-group", id: `settings-${id}` }, t(label)),
      h("ul", { "aria-labelledby": `settings-${id}` }, pages.map((page) => h("li", {}, rows.get(page).link))),
    ];
  }).flat();
}

function row(page, onChoose) {
  const state = h("span", { class: "hint" });
  const choose = (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return; // In a tab of its own.
    event.preventDefault();
    onChoose(page);
  };
  const link = h("a", { href: addressWith("settings", page), onclick: choose }, h("span", { class: "settings-name" }, t(PAGES[page].key)), state);
  return { link, state };
}
