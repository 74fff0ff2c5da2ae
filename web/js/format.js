/** Times, names and initials as people read them. */

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
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
  return days < 7 ? weekday.format(date).slice(0, 3) : shortDate.format(date);
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

export function initials(name) {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return letters.map((word) => [...word][0].toUpperCase()).join("") || "?";
}

/** One of the eight avatar colours, the same for a person everywhere. */
export function toneOf(id) {
  let hash = 0;
  for (const character of id) hash = (hash * 31 + character.codePointAt(0)) % 1_000_003;
  return hash % 8;
}
