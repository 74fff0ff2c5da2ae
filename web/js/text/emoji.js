/** Emoji by group and by name. The data is large: this module is loaded when somebody wants one. */

import { browser } from "../browser/storage.js";
import english from "emojibase-data/en/compact.json";

const MOST_RECENT = 32;
const MOST_FOUND = 120;
const COMPONENTS = 2; // The group of parts, such as skin tones, which are no emoji by themselves.
const SKIN = /1F3F[B-F]/gu;
/** No skin tone, and the five skin tones of Unicode (UTS 51). */
export const TONES = ["", "1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"];

/** Groups in the order of Unicode, by their number. */
const groups = new Map();
for (const one of english) {
  if (one.group === undefined || one.group === COMPONENTS) continue;
  if (!groups.has(one.group)) groups.set(one.group, []);
  groups.get(one.group).push(one);
}
export const GROUPS = [...groups.keys()].sort((a, b) => a - b);
for (const list of groups.values()) list.sort((a, b) => a.order - b.order);

const all = GROUPS.flatMap((group) => groups.get(group));
const known = new Map(all.flatMap((one) => [one, ...(one.skins ?? [])]).map((one) => [one.unicode, one]));

/** The emoji of a group in a skin tone, where they have one: { unicode, label } each. */
export function emojiOf(group, tone) {
  return groups.get(group).map((one) => toned(one, tone));
}

/** Those that all words of `text` fit, the best first. */
export function findEmoji(text, tone) {
  const wanted = words(text);
  if (!wanted.length) return [];
  const ranked = all.map((one) => [rank(one, wanted), one]).filter(([found]) => found > 0);
  return ranked.sort((a, b) => b[0] - a[0] || a[1].order - b[1].order).slice(0, MOST_FOUND).map(([, one]) => toned(one, tone));
}

/** What a user chose last, and in which tone, as this browser remembers it. */
export class EmojiHabits {
  #key;

  constructor(userId) {
    this.#key = `parley.emoji.${userId}`;
  }

  get tone() {
    const { tone } = this.#kept();
    return TONES.includes(tone) ? tone : "";
  }

  set tone(tone) {
    browser.write(this.#key, { ...this.#kept(), tone });
  }

  get recent() {
    const { recent } = this.#kept();
    return (Array.isArray(recent) ? recent : []).map((unicode) => known.get(unicode)).filter(Boolean);
  }

  use(unicode) {
    const others = this.recent.map((one) => one.unicode).filter((one) => one !== unicode);
    browser.write(this.#key, { ...this.#kept(), recent: [unicode, ...others].slice(0, MOST_RECENT) });
  }

  #kept() {
    return browser.read(this.#key) ?? {};
  }
}

// A pair of people gets the same tone twice.
function toned(one, tone) {
  const fits = ({ hexcode }) => hexcode.match(SKIN)?.every((skin) => skin === tone);
  return (tone && one.skins?.find(fits)) || one;
}

function words(text) {
  return text.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean);
}

// Its name counts more than its tags, and a whole word more than a beginning.
function rank(one, wanted) {
  const [name, tags] = [words(one.label), (one.tags ?? []).flatMap(words)];
  const ranks = wanted.map((word) => {
    if (name.includes(word)) return 4;
    if (tags.includes(word)) return 3;
    if (name.some((other) => other.startsWith(word))) return 2;
    return tags.some((other) => other.startsWith(word)) ? 1 : 0;
  });
  return ranks.includes(0) ? 0 : ranks.reduce((a, b) => a + b) / wanted.length + (name.join(" ") === wanted.join(" ") ? 1 : 0);
}
