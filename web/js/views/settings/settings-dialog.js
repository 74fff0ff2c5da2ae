/** The settings as a dialog: the list of pages, and one page beside it. */

import { h } from "../../browser/dom.js";
import { icon } from "../../icons.js";
import { t } from "../../text/texts.js";
import { settingsList } from "./settings-list.js";
import { PAGES } from "./settings-pages.js";
import { isUnsaved, mayLose } from "./unsaved.js";

const FIRST = Object.keys(PAGES)[0];

/** Whether the window shows the list or a page, and not both. */
export const oneAtATime = matchMedia("(max-width: 45rem)");

const known = (page) => (Object.hasOwn(PAGES, page) ? page : "");

export class SettingsDialog {
  #messenger;
  #on;
  #list;
  #pane = h("div", { class: "settings-pane" });
  #node;
  #gone = new AbortController();
  #left = null;
  #current = null;
  #wasOnline;

  /** `go(page)` and `toList()` move in the history; `leave(reason)` is called when the account is gone. */
  constructor({ messenger, leave, close, go, toList }) {
    this.#messenger = messenger;
    this.#on = { leave, close, go, toList };
    this.#wasOnline = messenger.status === "online";
    this.#list = settingsList({ messenger, signal: this.#gone.signal, onChoose: (page) => this.#choose(page) });
    this.#node = this.#dialog();
    this.#listen();
    document.body.append(this.#node);
    this.#node.showModal();
  }

  show(asked) {
    const before = this.#node.dataset.page;
    this.#render(known(asked));
    this.#focus(known(asked) || before);
  }

  remove() {
    this.#gone.abort();
    this.#left?.abort();
    this.#node.close();
    this.#node.remove();
  }

  /** Whether nothing is lost by leaving, or the user agrees. */
  isLeft() {
    return mayLose(this.#pane);
  }

  isLeftFor(page) {
    return [this.#current, ""].includes(known(page)) || this.isLeft();
  }

  isUnsaved() {
    return isUnsaved(this.#pane);
  }

  #dialog() {
    const { close, toList } = this.#on;
    return h(
      "dialog",
      { class: "settings", "aria-labelledby": "settings-title" },
      h(
        "header",
        { class: "bar" },
        h("button", { type: "button", class: "tool settings-back", "aria-label": t("common.back"), onclick: toList }, icon("back")),
        h("h2", { id: "settings-title" }, t("settings.title")),
        h("button", { type: "button", class: "tool", "aria-label": t("common.close"), onclick: close }, icon("close")),
      ),
      h("div", { class: "settings-body" }, this.#list.node, this.#pane),
    );
  }

  #listen() {
    const node = this.#node;
    const { signal } = this.#gone;
    // A browser lets a page refuse each key, but not each "cancel".
    node.addEventListener("keydown", (event) => event.key === "Escape" && !event.defaultPrevented && this.#escape(event));
    node.addEventListener("cancel", (event) => event.target === node && this.#escape(event));
    node.addEventListener("close", () => node.isConnected && !signal.aborted && !this.#on.close() && node.showModal());
    node.addEventListener("click", (event) => event.target === node && this.#on.close());
    oneAtATime.addEventListener("change", () => this.#render(node.dataset.page), { signal });
    signal.addEventListener("abort", this.#messenger.store.subscribe(() => this.#reconnected()));
  }

  #choose(page) {
    if (page === this.#node.dataset.page) {
      this.#focus(page);
      return;
    }
    if (page !== this.#current && !this.isLeft()) return;
    if (page !== this.#current) this.#empty();
    this.#on.go(page);
  }

  #render(page) {
    const isListAlone = oneAtATime.matches && !page;
    if (isListAlone && !this.isUnsaved()) this.#empty();
    const content = page || this.#current || (isListAlone ? null : FIRST);
    if (content !== this.#current) this.#fill(content);
    this.#node.dataset.page = page;
    this.#list.show(content, isListAlone ? null : content);
  }

  /** On a page that was entered, or on the line of the one that was left. */
  #focus(page) {
    if (this.#node.dataset.page) this.#pane.querySelector("h3").focus();
    else this.#list.focus(page || FIRST);
  }

  /** Once there is a connection again, asks for what could not be loaded. */
  #reconnected() {
    const before = this.#wasOnline;
    this.#wasOnline = this.#messenger.status === "online";
    if (before || !this.#wasOnline) return;
    this.#list.show(this.#current, this.#node.dataset.page || !oneAtATime.matches ? this.#current : null);
    if (!this.#pane.querySelector(".is-problem") || this.isUnsaved()) return;
    const hadFocus = this.#pane.contains(document.activeElement);
    this.#fill(this.#current);
    if (hadFocus) this.#focus(this.#current);
  }

  #empty() {
    this.#left?.abort();
    this.#pane.replaceChildren();
    this.#current = null;
  }

  #fill(page) {
    this.#empty();
    this.#left = new AbortController();
    this.#current = page;
    const messenger = this.#messenger;
    const { key, content } = PAGES[page];
    const context = { messenger, api: messenger.api, leave: this.#on.leave, signal: this.#left.signal, onState: (text) => this.#list.say(page, text) };
    const title = h("h3", { id: "settings-page", tabindex: "-1" }, t(key));
    this.#pane.append(h("section", { "aria-labelledby": "settings-page" }, title, content(context)));
  }

  #escape(event) {
    event.preventDefault();
    if (oneAtATime.matches && this.#node.dataset.page) this.#on.toList();
    else this.#on.close();
  }
}
