/** Times, names and initials as people read them. */

import { graphemes } from "./text.js";
import { formatter, t } from "./texts.js";

const CLOCK = { hour: "numeric", minute: "2-digit" };
const WEEKDAY = { weekday: "long" };
const SHORT_WEEKDAY = { weekday: "short" };
const SHORT_DATE = { day: "numeric", month: "short" };
const FULL_DATE = { day: "numeric", month: "long", year: "numeric" };
const FULL_TIME = { dateStyle: "full", timeStyle: "short" };
const UNITS = [[3600, "hour"], [60, "minute"]];

function said(date, options) {
  return formatter(Intl.DateTimeFormat, options).format(date);
}

function daysAgo(date) {
  const midnight = (moment) => new Date(moment.getFullYear(), moment.getMonth(), moment.getDate());
  return Math.round((midnight(new Date()) - midnight(date)) / 86_400_000);
}

export function timeOf(iso) {
  return said(new Date(iso), CLOCK);
}

export function exactDate(iso) {
  return said(new Date(iso), FULL_DATE);
}

export function exactTime(iso) {
  return said(new Date(iso), FULL_TIME);
}

/** Which calendar day, for telling days apart. */
export function dayKey(iso) {
  return new Date(iso).toDateString();
}

export function dayName(iso) {
  const date = new Date(iso);
  const days = daysAgo(date);
  if (days <= 0) return t("time.today");
  if (days === 1) return t("time.yesterday");
  return days < 7 ? said(date, WEEKDAY) : said(date, FULL_DATE);
}

/** Short enough for the corner of a chat in the list. */
export function shortTime(iso) {
  const date = new Date(iso);
  const days = daysAgo(date);
  if (days <= 0) return said(date, CLOCK);
  if (days === 1) return t("time.yesterday");
  return days < 7 ? said(date, SHORT_WEEKDAY) : said(date, SHORT_DATE);
}

export function lastSeen(iso) {
  const date = new Date(iso);
  const minutes = Math.floor((Date.now() - date) / 60_000);
  if (minutes < 1) return t("time.seenNow");
  if (minutes < 60) return t("time.seen", { when: formatter(Intl.RelativeTimeFormat, { style: "short" }).format(-minutes, "minute") });
  const days = daysAgo(date);
  if (days <= 0) return t("time.seenToday", { time: said(date, CLOCK) });
  if (days === 1) return t("time.seenYesterday", { time: said(date, CLOCK) });
  return t("time.seenOn", { date: said(date, SHORT_DATE) });
}

const WORDLIKE = /[\p{L}\p{N}\p{Extended_Pictographic}\p{Regional_Indicator}]/u;
const VISIBLE = /[\p{S}\p{P}]/u;

/** The first character of the first and of the last word. Brackets, quotes and what cannot be seen
 * do not count where there is something else. */
export function initials(name) {
  const words = name.split(/\s+/u).map(graphemes);
  const first = (wanted) => words.map((word) => word.find((one) => wanted.test(one))).filter(Boolean);
  const letters = first(WORDLIKE).length ? first(WORDLIKE) : first(VISIBLE);
  return letters.filter((_, at) => at === 0 || at === letters.length - 1).map(capital).join("") || "?";
}

// The capital of a letter may be two letters.
function capital(character) {
  const upper = character.toUpperCase();
  return graphemes(upper).length === 1 ? upper : character;
}

/** One of the eight avatar colours, the same for a person everywhere. */
export function toneOf(id) {
  let hash = 0;
  for (const character of id) hash = (hash * 31 + character.codePointAt(0)) % 1_000_003;
  return hash % 8;
}

/** A username as it is shown. */
export function handleOf(username) {
  return `@${username}`;
}

/** Facts in one line. */
export function facts(...known) {
  return known.reduce((first, second) => t("common.facts", { first, second }));
}

export function number(value) {
  return formatter(Intl.NumberFormat, {}).format(value);
}

/** How long to wait, in the largest unit that keeps it exact enough; rounded up. */
export function wait(seconds) {
  const [size, unit] = UNITS.find(([size]) => seconds >= 2 * size) ?? [1, "second"];
  return formatter(Intl.NumberFormat, { style: "unit", unit, unitDisplay: "long" }).format(Math.ceil(seconds / size));
}
