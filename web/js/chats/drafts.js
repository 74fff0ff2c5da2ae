/** Drafts: unsent text, kept for each user and chat, also after the session is lost. */

import { browser, onChange } from "../browser/storage.js";
import { cut } from "../text/text.js";

const PREFIX = "parley.draft.";
const LASTS = 30 * 86_400_000;
const MOST_DRAFTS = 100;
const MOST_UNITS = 16_384;

export class Drafts {
  #prefix;
  #known = new Map();
  #onChange;
  #stop;

  /** `onChange(chatId)`: a draft changed, here or in another tab. */
  constructor(userId, listener) {
    this.#prefix = `${PREFIX}${userId}.`;
    this.#onChange = listener;
    removeOld();
    for (const key of browser.keys(this.#prefix)) this.#read(key);
    this.#stop = onChange(this.#prefix, (key) => {
      this.#read(key);
      this.#onChange(key.slice(this.#prefix.length));
    });
  }

  of(chatId) {
    return this.#known.get(chatId)?.text ?? "";
  }

  get count() {
    return this.#known.size;
  }

  /** Keeps a text. Removes the draft if the text is blank. */
  set(chatId, text) {
    if (text === this.of(chatId)) return;
    const key = this.#prefix + chatId;
    this.#known.delete(chatId);
    if (text.trim()) {
      const draft = { text: cut(text, MOST_UNITS), at: Date.now() };
      this.#known.set(chatId, draft);
      browser.write(key, draft);
      this.#bound();
    } else browser.remove(key);
    this.#onChange(chatId);
  }

  /** Removes all drafts of this user. */
  clear() {
    for (const key of browser.keys(this.#prefix)) browser.remove(key);
    this.#known.clear();
  }

  stop() {
    this.#stop();
  }

  #read(key) {
    const draft = browser.read(key);
    const chatId = key.slice(this.#prefix.length);
    if (isDraft(draft)) this.#known.set(chatId, draft);
    else this.#known.delete(chatId);
  }

  #bound() {
    while (this.#known.size > MOST_DRAFTS) {
      const [oldest] = [...this.#known].reduce((a, b) => (b[1].at < a[1].at ? b : a));
      this.#known.delete(oldest);
      browser.remove(this.#prefix + oldest);
    }
  }
}

/** Removes old drafts of all users of this browser, also of those who do not come back. */
function removeOld() {
  for (const key of browser.keys(PREFIX)) {
    const draft = browser.read(key);
    if (!isDraft(draft) || draft.at + LASTS < Date.now() || draft.at > Date.now() + LASTS) browser.remove(key);
  }
}

function isDraft(value) {
  return typeof value?.text === "string" && Number.isFinite(value.at);
}
