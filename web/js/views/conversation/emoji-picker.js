/** Where one chooses an emoji: those used last, groups, and a search by name. */

import { h, setText } from "../../browser/dom.js";
import { onScreenKeys } from "../../browser/focus.js";
import { EmojiHabits, emojiOf, findEmoji, GROUPS, TONES } from "../../text/emoji.js";
import { t } from "../../text/texts.js";
import { openLayer } from "../parts/layers.js";

const RECENT = "recent";
const TABS = {
  [RECENT]: ["🕘", "emoji.recent"],
  0: ["😀", "emoji.smileys"],
  1: ["👋", "emoji.people"],
  3: ["🐻", "emoji.animals"],
  4: ["🍔", "emoji.food"],
  5: ["✈️", "emoji.travel"],
  6: ["⚽", "emoji.activities"],
  7: ["💡", "emoji.objects"],
  8: ["❤️", "emoji.symbols"],
  9: ["🏁", "emoji.flags"],
};
const OUTSIDE = ["pointerdown", "focusin"]; // These outside the picker close it. It must not cover what has the focus.
const HAND = "✋";
const TONE_NAMES = ["emoji.noTone", "emoji.light", "emoji.mediumLight", "emoji.medium", "emoji.mediumDark", "emoji.dark"];

export class EmojiPicker {
  #place;
  #habits;
  #group;
  #onPick;
  #onClose;
  #closed;
  #isOutside = ({ target }) => this.#place.contains(target) || this.close();
  #search = h("input", { type: "search", class: "emoji-search", placeholder: t("emoji.search"), "aria-label": t("emoji.search"), autocomplete: "off", dir: "auto" });
  #tone = h("select", { class: "emoji-tone", "aria-label": t("emoji.tone") }, TONES.map((one, at) => h("option", { value: one, "aria-label": t(TONE_NAMES[at]) }, HAND + (one && String.fromCodePoint(parseInt(one, 16))))));
  #tabs = h("div", { class: "emoji-tabs", role: "tablist", "aria-label": t("emoji.groups") }, [RECENT, ...GROUPS].map((one) => this.#tab(one)));
  #panel = h("div", { class: "emoji-panel", role: "tabpanel", id: "emoji-panel" });
  #said = h("p", { class: "emoji-none", role: "status" });
  #node = h("div", { class: "emoji-picker", role: "dialog", "aria-label": t("emoji.title") }, h("div", { class: "emoji-top" }, this.#search, this.#tone), this.#tabs, this.#panel, this.#said);

  /** Opens it inside `place`. `onPick(emoji)` gets each choice; `onClose(hadFocus)` is called once. */
  constructor({ place, userId, onPick, onClose }) {
    this.#place = place;
    this.#habits = new EmojiHabits(userId);
    this.#group = this.#habits.recent.length ? RECENT : GROUPS[0];
    this.#onPick = onPick;
    this.#onClose = onClose;
    this.#closed = openLayer(() => this.#takeAway());
    this.#tone.value = this.#habits.tone;
    this.#listen();
    place.prepend(this.#node);
    this.#show();
    // On a phone, a focused field opens the keyboard over the emoji.
    (onScreenKeys.matches ? this.#panel.firstElementChild : this.#search).focus({ preventScroll: true });
  }

  close() {
    if (!this.#node.isConnected) return;
    this.#takeAway();
    this.#closed();
  }

  #tab(one) {
    const [face, key] = TABS[one];
    const name = t(key);
    const onclick = () => {
      this.#group = one;
      this.#search.value = "";
      this.#show();
    };
    return h("button", { type: "button", role: "tab", title: name, "aria-label": name, "aria-controls": "emoji-panel", "data-group": one, onclick }, face);
  }

  get #isSearch() {
    return Boolean(this.#search.value.trim());
  }

  get #found() {
    const { tone, recent } = this.#habits;
    if (this.#isSearch) return findEmoji(this.#search.value, tone);
    return this.#group === RECENT ? recent : emojiOf(this.#group, tone);
  }

  #show() {
    const found = this.#found;
    const isSearch = this.#isSearch;
    this.#panel.replaceChildren(...found.map(({ unicode, label }, at) => h("button", { type: "button", class: "emoji", tabindex: at ? "-1" : "0", "aria-label": label, title: label, "data-emoji": unicode }, unicode)));
    this.#panel.setAttribute("aria-label", isSearch ? t("emoji.found") : t(TABS[this.#group][1]));
    this.#panel.scrollTop = 0;
    setText(this.#said, found.length ? "" : t(isSearch ? "emoji.none" : "emoji.noRecent"));
    for (const one of this.#tabs.children) {
      const isGroup = one.dataset.group === String(this.#group);
      one.setAttribute("aria-selected", String(isGroup && !isSearch));
      one.tabIndex = isGroup ? 0 : -1;
    }
  }

  #pick(button) {
    this.#habits.use(button.dataset.emoji);
    this.#onPick(button.dataset.emoji);
  }

  #takeAway() {
    for (const type of OUTSIDE) removeEventListener(type, this.#isOutside, { capture: true });
    const hadFocus = this.#node.contains(document.activeElement);
    this.#node.remove();
    this.#onClose(hadFocus);
  }

  #listen() {
    this.#search.addEventListener("input", () => this.#show());
    this.#tone.addEventListener("change", () => {
      this.#habits.tone = this.#tone.value;
      this.#show();
    });
    this.#panel.addEventListener("click", ({ target }) => target.matches(".emoji") && this.#pick(target));
    this.#tabs.addEventListener("keydown", (event) => go(event, [...this.#tabs.children], Infinity) && document.activeElement.click());
    this.#panel.addEventListener("keydown", (event) => this.#keyInPanel(event));
    this.#search.addEventListener("keydown", (event) => this.#keyInSearch(event));
    this.#node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.close();
    });
    for (const type of OUTSIDE) addEventListener(type, this.#isOutside, { capture: true });
  }

  #keyInPanel(event) {
    const isInFirstRow = document.activeElement.offsetTop === this.#panel.firstElementChild?.offsetTop;
    if (event.key === "ArrowUp" && isInFirstRow) this.#search.focus();
    else go(event, [...this.#panel.children], columnsOf(this.#panel));
  }

  #keyInSearch(event) {
    const first = this.#panel.firstElementChild;
    if (event.key === "ArrowDown") first?.focus();
    else if (event.key === "Enter" && first && this.#isSearch) this.#pick(first);
    else if (event.key !== "Enter") return;
    event.preventDefault();
  }
}

/** Moves the focus in a grid by a key; says whether it did. */
function go(event, nodes, columns) {
  const here = nodes.indexOf(document.activeElement);
  const ahead = document.documentElement.dir === "rtl" ? -1 : 1;
  const steps = { ArrowRight: ahead, ArrowLeft: -ahead, ArrowDown: columns, ArrowUp: -columns, Home: -here, End: nodes.length - 1 - here };
  const next = nodes[here + steps[event.key]];
  if (here < 0 || !next) return false;
  event.preventDefault();
  nodes[here].tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
  return true;
}

function columnsOf(panel) {
  const top = panel.firstElementChild?.offsetTop;
  const second = [...panel.children].findIndex((one) => one.offsetTop !== top);
  return second < 0 ? panel.children.length : second;
}
