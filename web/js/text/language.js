/** Which language is shown: as the browser says, or as this browser's user chose. */

import { browser, onChange } from "../browser/storage.js";
import { ENGLISH, LANGUAGES } from "./languages.js";
import { speak } from "./texts.js";

const KEY = "parley.language";
const LOOK_EVERY = 1000;
const listeners = new Set();
let isHeld = () => false;
let turn = 0;

/** The tag of a language, or "browser". */
export function chosenLanguage() {
  const chosen = browser.read(KEY);
  return LANGUAGES.some(({ tag }) => tag === chosen) ? chosen : "browser";
}

/** Shows a language from now on, in all tabs. Rejects where its texts cannot be loaded: then nothing changes. */
export async function chooseLanguage(tag) {
  const before = chosenLanguage();
  browser.write(KEY, tag);
  try {
    await show();
  } catch (error) {
    browser.write(KEY, before);
    throw error;
  }
}

/** Shows the language that is wanted, now and when another tab changes it. Without its texts, English. */
export async function startLanguage() {
  onChange(KEY, showWhenFree);
  await showOrEnglish();
}

/** While `held()` is true, a change in another tab waits. Returns a function that ends this. */
export function holdLanguage(held) {
  isHeld = held;
  return () => (isHeld = () => false);
}

function showWhenFree() {
  if (isHeld()) setTimeout(showWhenFree, LOOK_EVERY);
  else showOrEnglish();
}

function showOrEnglish() {
  return show().catch(() => use(ENGLISH, ENGLISH.texts));
}

/** Calls `listener` when another language is shown; answers the way to stop it. */
export function onLanguage(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

async function show() {
  const mine = (turn += 1);
  const language = wanted();
  const texts = await language.load();
  if (mine === turn) use(language, texts); // Else another one was chosen meanwhile.
}

function use(language, texts) {
  const { documentElement: root } = document;
  const isNews = root.lang !== language.tag;
  speak(language, texts, localeOf(language));
  Object.assign(root, { lang: language.tag, dir: language.dir });
  if (isNews) listeners.forEach((listener) => listener());
}

function wanted() {
  const chosen = chosenLanguage();
  const tags = chosen === "browser" ? navigator.languages : [chosen];
  for (const tag of tags) {
    const found = LANGUAGES.find((language) => speaks(tag, language));
    if (found) return found;
  }
  return ENGLISH;
}

// As the reader's region writes dates and numbers, where the browser names one.
function localeOf(language) {
  return navigator.languages.find((tag) => speaks(tag, language)) ?? language.tag;
}

function speaks(tag, language) {
  return tag.toLowerCase().split("-")[0] === language.tag;
}
