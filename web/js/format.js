/** Times, names and initials as people read them. */

import { graphemes } from "./text.js";

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const shortWeekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const shortDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const fullDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const fullTime = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

function daysAgo(date) {
  const midnight = (moment) => new Date(moment.getFullYear(), moment.getMonth(), moment.getDate());
  return Math.round((midnight(new Date()) - midnight(date)) / 86_400_000);
}

export function timeOf(iso) {
  return clock.format(new Date(iso));
}

export function exactTime(iso) {
  return fullTime.format(new Date(iso));
}

/** Which calendar day, for telling days apart. */
export function dayKey(iso) {
  return new Date(iso).toDateString();
}

export function dayName(iso) {
  const date = new Date(iso);
  const days = daysAgo(date);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  return days < 7 ? weekday.format(date) : fullDate.format(date);
}

/** Short enough for the corner of a chat in the list. */
export function shortTime(iso) {
  const date = new Date(iso);
  const days = daysAgo(date);
  if (days <= 0) return clock.format(date);
  if (days === 1) return "Yesterday";
  return days < 7 ? shortWeekday.format(date) : shortDate.format(date);
}

export function lastSeen(iso) {
  const date = new Date(iso);
  const minutes = Math.floor((Date.now() - date) / 60_000);
  if (minutes < 1) return "last seen just now";
  if (minutes < 60) return `last seen ${minutes} min ago`;
  const days = daysAgo(date);
  if (days <= 0) return `last seen today at ${clock.format(date)}`;
  if (days === 1) return `last seen yesterday at ${clock.format(date)}`;
  return `last seen on ${shortDate.format(date)}`;
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
