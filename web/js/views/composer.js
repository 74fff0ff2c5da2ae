/** Where one writes: Enter sends, Shift+Enter starts a line, each chat keeps its draft. */

import { h, setText } from "../dom.js";
import { icon } from "../icons.js";
import { lengthOf } from "../text.js";
import { t } from "../texts.js";

const MOST = 4096;
const SAY_FROM = 200;

export function composer({ drafts, userId, onSend, onTyping, onStop }) {
  const input = h("textarea", {
    id: "composer",
    rows: 1,
    dir: "auto",
    placeholder: t("talk.write"),
    "aria-label": t("talk.write"),
    "aria-describedby": "composer-note",
    enterkeyhint: "send",
  });
  const note = h("p", { id: "composer-note", class: "composer-note", role: "status" });
  const button = h("button", { type: "submit", class: "send", "aria-label": t("talk.send"), title: t("talk.sendKey") }, icon("send"));
  const smile = h("button", { type: "button", class: "tool", "aria-label": t("emoji.title"), title: t("emoji.title"), "aria-haspopup": "dialog", "aria-expanded": "false", onclick: toggleEmoji }, icon("smile"));
  const node = h("form", { class: "composer" }, note, h("div", { class: "composer-row" }, smile, input, button));
  const onScreenKeys = matchMedia("(pointer: coarse) and (hover: none)");
  let chatId = null;
  let draft = ""; // As it was kept last.
  let picker = null;
  let opening = 0;

  const left = () => MOST - lengthOf(input.value);

  function keep() {
    drafts.set(chatId, input.value);
    draft = drafts.of(chatId); // A very long text is kept in part.
  }

  function look() {
    input.style.height = "auto";
    input.style.height = `${Math.min(input.scrollHeight, 180)}px`;
    button.disabled = !input.value.trim() || left() < 0;
    if (left() < 0) setText(note, t("form.overLimit", { over: -left(), count: MOST }));
    else setText(note, left() < SAY_FROM ? t("talk.left", { count: left() }) : "");
  }

  async function toggleEmoji() {
    if (picker) {
      picker.close();
      return;
    }
    smile.disabled = true;
    const mine = (opening += 1);
    try {
      const { openEmojiPicker } = await import("./emoji-picker.js");
      if (mine !== opening) return; // Another chat was opened meanwhile, or none.
      const onClose = (hadFocus) => {
        picker = null;
        smile.setAttribute("aria-expanded", "false");
        if (hadFocus) input.focus();
      };
      picker = openEmojiPicker({ place: node, userId, onPick: insert, onClose });
      smile.setAttribute("aria-expanded", "true");
    } catch {
      setText(note, t("emoji.notLoaded"));
    } finally {
      smile.disabled = false;
    }
  }

  function insert(text) {
    input.setRangeText(text, input.selectionStart, input.selectionEnd, "end");
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  input.addEventListener("input", () => {
    keep();
    look();
    if (input.value.trim()) onTyping();
    else onStop();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || onScreenKeys.matches) return;
    event.preventDefault();
    node.requestSubmit();
  });
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text || left() < 0) return;
    onSend(text);
    input.value = "";
    keep();
    look();
    input.focus();
  });

  return {
    node,
    /** Changes to another chat, and to what was being written there. */
    open(id) {
      if (chatId && input.value) onStop();
      picker?.close();
      opening += 1;
      chatId = id;
      input.value = draft = chatId ? drafts.of(chatId) : "";
      look();
    },
    /** Takes what another tab wrote, unless something else was written here. */
    look() {
      const kept = drafts.of(chatId);
      if (kept === draft || input.value !== draft) return;
      input.value = draft = kept;
      look();
    },
    /** Where the caret is, and what is selected. */
    get caret() {
      return [input.selectionStart, input.selectionEnd];
    },
    set caret(caret) {
      input.setSelectionRange(...caret);
    },
    focus: () => input.focus(),
    /** On a phone the keyboard should not jump up by itself. */
    focusUnlessTouch() {
      if (!onScreenKeys.matches) input.focus();
    },
  };
}
