/** Where one chooses an emoji: those used last, groups, and a search by name. */

import { h, setText } from "../dom.js";
import { EmojiHabits, emojiOf, findEmoji, GROUPS, TONES } from "../emoji.js";
import { t } from "../texts.js";
import { openLayer } from "./layers.js";

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
const OUTSIDE = ["pointerdown", "focusin"]; // What has the focus must not lie behind it.
const HAND = "✋";
const TONE_NAMES = ["emoji.noTone", "emoji.light", "emoji.mediumLight", "emoji.medium", "emoji.mediumDark", "emoji.dark"];

/** Opens it inside `place`. `onPick(emoji)` gets each choice; `onClose()` is called once. */
export function openEmojiPicker({ place, userId, onPick, onClose }) {
  const habits = new EmojiHabits(userId);
  let group = habits.recent.length ? RECENT : GROUPS[0];
  const search = h("input", { type: "search", class: "emoji-search", placeholder: t("emoji.search"), "aria-label": t("emoji.search"), autocomplete: "off", dir: "auto" });
  const tone = h("select", { class: "emoji-tone", "aria-label": t("emoji.tone") }, TONES.map((one, at) => h("option", { value: one, "aria-label": t(TONE_NAMES[at]) }, HAND + (one && String.fromCodePoint(parseInt(one, 16))))));
  const tabs = h("div", { class: "emoji-tabs", role: "tablist", "aria-label": t("emoji.groups") }, [RECENT, ...GROUPS].map(tab));
  const panel = h("div", { class: "emoji-panel", role: "tabpanel", id: "emoji-panel" });
  const said = h("p", { class: "emoji-none", role: "status" });
  const node = h("div", { class: "emoji-picker", role: "dialog", "aria-label": t("emoji.title") }, h("div", { class: "emoji-top" }, search, tone), tabs, panel, said);
  const isOutside = ({ target }) => place.contains(target) || close();
  const closed = openLayer(takeAway);
  tone.value = habits.tone;

  function tab(one) {
    const [face, key] = TABS[one];
    const name = t(key);
    return h("button", { type: "button", role: "tab", title: name, "aria-label": name, "aria-controls": "emoji-panel", "data-group": one, onclick: () => choose(one) }, face);
  }

  function choose(one) {
    group = one;
    search.value = "";
    show();
  }

  function show() {
    const isSearch = Boolean(search.value.trim());
    const found = isSearch ? findEmoji(search.value, habits.tone) : group === RECENT ? habits.recent : emojiOf(group, habits.tone);
    panel.replaceChildren(...found.map(({ unicode, label }, at) => h("button", { type: "button", class: "emoji", tabindex: at ? "-1" : "0", "aria-label": label, title: label, "data-emoji": unicode }, unicode)));
    panel.setAttribute("aria-label", isSearch ? t("emoji.found") : t(TABS[group][1]));
    panel.scrollTop = 0;
    setText(said, found.length ? "" : t(isSearch ? "emoji.none" : "emoji.noRecent"));
    for (const one of tabs.children) {
      const isChosen = !isSearch && one.dataset.group === String(group);
      one.setAttribute("aria-selected", String(isChosen));
      one.tabIndex = one.dataset.group === String(group) ? 0 : -1;
    }
  }

  function pick(button) {
    habits.use(button.dataset.emoji);
    onPick(button.dataset.emoji);
  }

  function takeAway() {
    for (const type of OUTSIDE) removeEventListener(type, isOutside, { capture: true });
    const hadFocus = node.contains(document.activeElement);
    node.remove();
    onClose(hadFocus);
  }

  function close() {
    if (!node.isConnected) return;
    takeAway();
    closed();
  }

  search.addEventListener("input", show);
  tone.addEventListener("change", () => {
    habits.tone = tone.value;
    show();
  });
  panel.addEventListener("click", ({ target }) => target.matches(".emoji") && pick(target));
  tabs.addEventListener("keydown", (event) => go(event, [...tabs.children], Infinity) && document.activeElement.click());
  panel.addEventListener("keydown", (event) => {
    const isUp = event.key === "ArrowUp" && document.activeElement.offsetTop === panel.firstElementChild?.offsetTop;
    if (isUp) search.focus();
    else go(event, [...panel.children], columnsOf(panel));
  });
  search.addEventListener("keydown", (event) => {
    const first = panel.firstElementChild;
    if (event.key === "ArrowDown") first?.focus();
    else if (event.key === "Enter" && first && search.value.trim()) pick(first);
    else if (event.key !== "Enter") return;
    event.preventDefault();
  });
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    close();
  });
  for (const type of OUTSIDE) addEventListener(type, isOutside, { capture: true });
  place.prepend(node);
  show();
  search.focus();
  return { close };
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
