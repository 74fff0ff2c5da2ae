/** Sentences of the shown language, by their keys. */

import { ENGLISH } from "./languages.js";

// A value of the other direction must not turn the words around it (UAX 9, 2.4.1).
const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}\u200F\u202A-\u202E\u2066-\u2069]/u;
let shown;

/** Takes a language, its texts, and how its readers write dates and numbers. */
export function speak(language, texts, locale) {
  shown = {
    texts,
    locale,
    dir: language.dir,
    made: new Map(),
    plurals: new Intl.PluralRules(language.tag),
  };
}

/** The sentence of `key`, with `values` in the places of their names. A number is written as its
 * language does, and `count` chooses the plural form. */
export function t(key, values = {}) {
  return parts(key, values).join("");
}

/** As `t`, in parts: values may be elements. */
export function parts(key, values = {}) {
  const pieces = sentence(key, values.count).split(/\{(\w+)\}/);
  return pieces.map((piece, at) => (at % 2 ? written(values[piece]) : piece)).filter((piece) => piece !== "");
}

/** Whether there is such a sentence; with a `count`, one with plural forms. */
export function has(key, count) {
  return Object.hasOwn(ENGLISH.texts, count === undefined ? key : `${key}_other`);
}

/** The items as part of a sentence: "a, b and c". */
export function list(items) {
  return formatter(Intl.ListFormat, {}).format(items);
}

/** A number, a date or a time by one of the constructors of Intl, as the readers of the shown language
 * write it. */
export function formatter(constructor, options) {
  const key = constructor.name + JSON.stringify(options);
  if (!shown.made.has(key)) shown.made.set(key, new constructor(shown.locale, options));
  return shown.made.get(key);
}

function sentence(key, count) {
  const { texts, plurals } = shown;
  if (typeof count !== "number") return texts[key] ?? ENGLISH.texts[key] ?? key;
  return texts[`${key}_${plurals.select(count)}`] ?? ENGLISH.texts[`${key}_other`] ?? key;
}

function written(value) {
  if (typeof value === "number") return formatter(Intl.NumberFormat, {}).format(value);
  if (typeof value !== "string") return value ?? "";
  return shown.dir === "rtl" || RIGHT_TO_LEFT.test(value) ? `\u2068${value}\u2069` : value;
}

speak(ENGLISH, ENGLISH.texts, ENGLISH.tag);
