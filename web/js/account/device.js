/** This browser as a device: its name, what the server knows it by, and the phone that it plays for
 * the local cloud. */

import { browser } from "../browser/storage.js";
import { uuid } from "../browser/timing.js";
import { t } from "../text/texts.js";

// The first that fits: most browsers also name those that they are like.
const BROWSERS = [
  [/\bEdg(e|A|iOS)?\//, "Edge"],
  [/\b(OPR|OPT|Opera)\//, "Opera"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\bVivaldi\//, "Vivaldi"],
  [/\b(Firefox|FxiOS)\//, "Firefox"],
  [/(Chrome|Chromium|CriOS)\//, "Chrome"],
  [/\bSafari\//, "Safari"],
];
const SYSTEMS = [
  [/\biPhone\b/, "iPhone"],
  [/\biPad\b/, "iPad"],
  [/\bAndroid\b/, "Android"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b/, "macOS"],
  [/\bLinux\b/, "Linux"],
];

/** Browser and system of a User-Agent header, as in "Firefox on Linux"; "" if it names none we know. */
export function browserOf(userAgent) {
  const named = (list) => list.find(([pattern]) => pattern.test(userAgent ?? ""))?.[1];
  const [name, system] = [named(BROWSERS), named(SYSTEMS)];
  return name && system ? t("devices.name", { browser: name, system }) : (name ?? system ?? "");
}

/** What this browser calls itself when it signs in. */
export function deviceName() {
  const name = browserOf(navigator.userAgent).replace(/[\u2068\u2069]/g, ""); // A name must be readable.
  // An iPad says that it is a Mac, but no Mac has a touch screen.
  const told = (navigator.maxTouchPoints > 1 ? name.replace("macOS", "iPad") : name) || t("devices.browser");
  return told.replace(/[\u2066-\u2069]/gu, ""); // Isolates are for showing it: no server takes them in a name.
}

/** What to call a session in a list. */
export function nameOfDevice({ device_name, user_agent }) {
  return device_name || browserOf(user_agent) || t("devices.noName");
}

function kept(key) {
  const known = browser.read(key);
  if (typeof known === "string") return known;
  const made = uuid();
  browser.write(key, made);
  return made;
}

/** What makes this browser known to the accounts that sign in with it on a server: guesses at their
 * passwords from elsewhere do not keep it out, and no mail tells of its sign-ins. Each server has
 * one of its own. */
export function deviceKey(base) {
  return kept(`parley.device-key.${base}`);
}

/** Pushes go to it until its session ends. One per person and browser, however many tabs: a real
 * phone would show a push once, too. */
export function registerDevice(api, user) {
  const device = kept(`parley.device.${user.username}`);
  const token = `web-${user.username}-${device.slice(0, 8)}`;
  const body = { token, platform: "web", device_key: deviceKey(api.session.api) };
  return api.put(`/v1/users/me/push-tokens/${device}`, body);
}

/** Whose phone a push went to, if this client registered the token. */
export function usernameOf(token) {
  return /^web-(.+)-[^-]+$/.exec(token)?.[1] ?? null;
}
