/** Where one writes: Enter sends, Shift+Enter starts a line, each chat keeps its draft. */

import { h, setText } from "../../browser/dom.js";
import { onScreenKeys } from "../../browser/focus.js";
import { icon } from "../../icons.js";
import { lengthOf } from "../../text/text.js";
import { t } from "../../text/texts.js";

const MOST = 4096;
const SAY_FROM = 200;
const HIGHEST = 180;

export class Composer {
  #drafts;
  #userId;
  #on;
  #input;
  #note;
  #button = h("button", { type: "submit", class: "send", "aria-label": t("talk.send"), title: t("talk.sendKey") }, icon("send"));
  #smile;
  #chatId = null;
  #draft = ""; // As it was kept last.
  #picker = null;
  #opening = 0;

  /** `onSend(text)`; `onTyping()` at each change; `onStop()` when the field is empty again. */
  constructor({ drafts, userId, onSend, onTyping, onStop }) {
    this.#drafts = drafts;
    this.#userId = userId;
    this.#on = { send: onSend, typing: onTyping, stop: onStop };
    this.#input = h("textarea", {
      id: "composer",
      rows: 1,
      dir: "auto",
      placeholder: t("talk.write"),
      "aria-label": t("talk.write"),
      "aria-describedby": "composer-note",
      enterkeyhint: "send",
    });
    this.#note = h("p", { id: "composer-note", class: "composer-note", role: "status" });
    this.#smile = h("button", { type: "button", class: "tool", "aria-label": t("emoji.title"), title: t("emoji.title"), "aria-haspopup": "dialog", "aria-expanded": "false", onclick: () => this.#toggleEmoji() }, icon("smile"));
    this.node = h("form", { class: "composer" }, this.#note, h("div", { class: "composer-row" }, this.#smile, this.#input, this.#button));
    this.#listen();
  }

  /** Changes to another chat, with the draft that is kept for it. */
  open(id) {
    if (this.#chatId && this.#input.value) this.#on.stop();
    this.#picker?.close();
    this.#opening += 1;
    this.#chatId = id;
    this.#input.value = this.#draft = id ? this.#drafts.of(id) : "";
    this.#render();
  }

  /** Takes what another tab wrote, unless something else was written here. */
  look() {
    const kept = this.#drafts.of(this.#chatId);
    if (kept === this.#draft || this.#input.value !== this.#draft) return;
    this.#input.value = this.#draft = kept;
    this.#render();
  }

  /** Where the caret is, and what is selected. */
  get caret() {
    return [this.#input.selectionStart, this.#input.selectionEnd];
  }

  set caret(caret) {
    this.#input.setSelectionRange(...caret);
  }

  focus() {
    this.#input.focus();
  }

  /** On a phone, the keyboard must not open by itself. */
  focusUnlessTouch() {
    if (!onScreenKeys.matches) this.#input.focus();
  }

  get #left() {
    return MOST - lengthOf(this.#input.value);
  }

  #listen() {
    this.#input.addEventListener("input", () => {
      this.#keep();
      this.#render();
      if (this.#input.value.trim()) this.#on.typing();
      else this.#on.stop();
    });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || onScreenKeys.matches) return;
      event.preventDefault();
      this.node.requestSubmit();
    });
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  #send() {
    const text = this.#input.value.trim();
    if (!text || this.#left < 0) return;
    this.#on.send(text);
    this.#input.value = "";
    this.#keep();
    this.#render();
    this.#input.focus();
  }

  #keep() {
    this.#drafts.set(this.#chatId, this.#input.value);
    this.#draft = this.#drafts.of(this.#chatId); // Of a very long text, a part is kept.
  }

  #render() {
    const { style } = this.#input;
    style.height = "auto";
    style.height = `${Math.min(this.#input.scrollHeight, HIGHEST)}px`;
    const left = this.#left;
    this.#button.disabled = !this.#input.value.trim() || left < 0;
    if (left < 0) setText(this.#note, t("form.overLimit", { over: -left, count: MOST }));
    else setText(this.#note, left < SAY_FROM ? t("talk.left", { count: left }) : "");
  }

  async #toggleEmoji() {
    if (this.#picker) {
      this.#picker.close();
      return;
    }
    this.#smile.disabled = true;
    const mine = (this.#opening += 1);
    try {
      const { EmojiPicker } = await import("./emoji-picker.js");
      if (mine === this.#opening) this.#openEmoji(EmojiPicker); // Else another chat was opened meanwhile, or none.
    } catch {
      setText(this.#note, t("emoji.notLoaded"));
    } finally {
      this.#smile.disabled = false;
    }
  }

  #openEmoji(EmojiPicker) {
    const onClose = (hadFocus) => {
      this.#picker = null;
      this.#smile.setAttribute("aria-expanded", "false");
      if (hadFocus) (onScreenKeys.matches ? this.#smile : this.#input).focus();
    };
    this.#picker = new EmojiPicker({ place: this.node, userId: this.#userId, onPick: (text) => this.#insert(text), onClose });
    this.#smile.setAttribute("aria-expanded", "true");
  }

  #insert(text) {
    this.#input.setRangeText(text, this.#input.selectionStart, this.#input.selectionEnd, "end");
    this.#input.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
