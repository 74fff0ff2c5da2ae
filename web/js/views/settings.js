/** The settings: a list of pages, and one of them beside it. On a phone, one of both at a time. */

import { addressWith, named } from "../address.js";
import { h } from "../dom.js";
import { icon } from "../icons.js";
import { t } from "../texts.js";
import { goBack, step } from "./layers.js";
import { settingsList } from "./settings-list.js";
import { PAGES } from "./settings-pages.js";
import { isUnsaved, mayLose } from "./unsaved.js";

const NAME = "settings";
const FIRST = Object.keys(PAGES)[0];
const ONE_AT_A_TIME = matchMedia("(max-width: 45rem)");

/** {open(page), close(), follow(), drop(), isUnsaved()}. The address names the page that is shown, so that going
 * back and reloading work. `leave(reason)` is called when the account is gone. */
export function settings({ messenger, leave }) {
  let dialog = null;
  let place = null; // Where the history is while the dialog is open.

  function open(page = "") {
    step(() => {
      history.pushState({ ...history.state, fromList: false, settings: 1 }, "", addressWith(NAME, page));
      follow();
    });
  }

  /** False: they stay open, because somebody does not want to lose what they typed. */
  function close() {
    if (!dialog) return true;
    if (!dialog.isLeft()) return false;
    remove();
    step(() => goBack(history.state.settings));
    return true;
  }

  /** Shows what the address says. */
  function follow() {
    const page = named(NAME);
    if (page === null ? !dialog : dialog && place.address === location.href) return;
    if (page === null ? !dialog.isLeft() : dialog && !dialog.isLeftFor(page)) {
      history.pushState(place.state, "", place.address);
      return;
    }
    if (page === null) {
      remove();
      return;
    }
    if (!history.state?.settings) enter(page);
    place = { state: history.state, address: location.href };
    dialog ??= settingsDialog({ messenger, leave, close, go, toList });
    dialog.show(page);
  }

  /** Somebody came by a link: going back closes the settings then, too. */
  function enter(page) {
    history.replaceState(null, "", addressWith(NAME, null));
    history.pushState({ settings: 1 }, "", addressWith(NAME, page));
  }

  function go(page) {
    step(() => {
      const address = addressWith(NAME, page);
      const isNext = ONE_AT_A_TIME.matches && !named(NAME);
      if (isNext) history.pushState({ ...history.state, settings: history.state.settings + 1 }, "", address);
      else history.replaceState(history.state, "", address);
      follow();
    });
  }

  function toList() {
    step(() => {
      if (history.state.settings > 1) goBack();
      else go("");
    });
  }

  function remove() {
    dialog.remove();
    dialog = null;
  }

  return { open, close, follow, drop: () => dialog?.remove(), isUnsaved: () => Boolean(dialog?.isUnsaved()) };
}

function settingsDialog({ messenger, leave, close, go, toList }) {
  const gone = new AbortController();
  const list = settingsList({ messenger, signal: gone.signal, onChoose: choose });
  const pane = h("div", { class: "settings-pane" });
  const back = h("button", { type: "button", class: "tool settings-back", "aria-label": t("common.back"), onclick: toList }, icon("back"));
  const node = h(
    "dialog",
    { class: "settings", "aria-labelledby": "settings-title" },
    h(
      "header",
      { class: "bar" },
      back,
      h("h2", { id: "settings-title" }, t("settings.title")),
      h("button", { type: "button", class: "tool", "aria-label": t("common.close"), onclick: close }, icon("close")),
    ),
    h("div", { class: "settings-body" }, list.node, pane),
  );
  let current = null;
  let left = null;
  let wasOnline = messenger.status === "online";

  const isLeft = () => mayLose(pane);
  const known = (page) => (Object.hasOwn(PAGES, page) ? page : "");

  function choose(page) {
    if (page === node.dataset.page) {
      focus(page);
      return;
    }
    if (page !== current && !isLeft()) return;
    if (page !== current) empty();
    go(page);
  }

  function show(asked) {
    const before = node.dataset.page;
    render(known(asked));
    focus(known(asked) || before);
  }

  function render(page) {
    const isListAlone = ONE_AT_A_TIME.matches && !page;
    if (isListAlone && !isUnsaved(pane)) empty();
    const content = page || current || (isListAlone ? null : FIRST);
    if (content !== current) fill(content);
    node.dataset.page = page;
    list.show(content, isListAlone ? null : content);
  }

  /** On a page that was entered, or on the line of the one that was left. */
  function focus(page) {
    if (node.dataset.page) pane.querySelector("h3").focus();
    else list.focus(page || FIRST);
  }

  /** With a connection again, what could not be loaded is asked for once more. */
  function reconnected() {
    const before = wasOnline;
    wasOnline = messenger.status === "online";
    if (before || !wasOnline) return;
    list.show(current, node.dataset.page || !ONE_AT_A_TIME.matches ? current : null);
    if (!pane.querySelector(".is-problem") || isUnsaved(pane)) return;
    const hadFocus = pane.contains(document.activeElement);
    fill(current);
    if (hadFocus) focus(current);
  }

  function empty() {
    left?.abort();
    pane.replaceChildren();
    current = null;
  }

  function fill(page) {
    empty();
    left = new AbortController();
    current = page;
    const { key, content } = PAGES[page];
    const context = { messenger, api: messenger.api, leave, signal: left.signal, onState: (text) => list.say(page, text) };
    const title = h("h3", { id: "settings-page", tabindex: "-1" }, t(key));
    pane.append(h("section", { "aria-labelledby": "settings-page" }, title, content(context)));
  }

  function escape(event) {
    event.preventDefault();
    if (ONE_AT_A_TIME.matches && node.dataset.page) toList();
    else close();
  }

  function remove() {
    gone.abort();
    left?.abort();
    node.close();
    node.remove();
  }

  // The browser does not let a page refuse every "cancel", but every key.
  node.addEventListener("keydown", (event) => event.key === "Escape" && !event.defaultPrevented && escape(event));
  node.addEventListener("cancel", (event) => event.target === node && escape(event));
  node.addEventListener("close", () => node.isConnected && !gone.signal.aborted && !close() && node.showModal());
  node.addEventListener("click", (event) => event.target === node && close());
  ONE_AT_A_TIME.addEventListener("change", () => render(node.dataset.page), { signal: gone.signal });
  gone.signal.addEventListener("abort", messenger.store.subscribe(reconnected));
  document.body.append(node);
  node.showModal();
  return {
    show,
    remove,
    isLeft,
    isLeftFor: (page) => [current, ""].includes(known(page)) || isLeft(),
    isUnsaved: () => isUnsaved(pane),
  };
}
