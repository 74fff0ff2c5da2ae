/** The phone that this browser pretends to be, so that the local cloud has somewhere to push to.
 *
 * One per person and browser, however many tabs: a real phone would show a push once, too.
 */

import { uuid } from "./timing.js";

function deviceOf(username) {
  const key = `parley.device.${username}`;
  const known = localStorage.getItem(key);
  if (known) return known;
  const id = uuid();
  localStorage.setItem(key, id);
  return id;
}

/** What makes this browser known to the accounts that sign in with it on a server: guesses at their
 * passwords from elsewhere do not keep it out, and no mail tells of its sign-ins. Each server has
 * one of its own. */
export function deviceKey(base) {
  const key = `parley.device-key.${base}`;
  const known = localStorage.getItem(key);
  if (known) return known;
  const made = uuid();
  localStorage.setItem(key, made);
  return made;
}

/** Pushes go to it until its session ends. */
export function registerDevice(api, user) {
  const device = deviceOf(user.username);
  const token = `web-${user.username}-${device.slice(0, 8)}`;
  const body = { token, platform: "web", device_key: deviceKey(api.session.api) };
  return api.put(`/v1/users/me/push-tokens/${device}`, body);
}

/** Whose phone a push went to, if this client registered the token. */
export function usernameOf(token) {
  return /^web-(.+)-[^-]+$/.exec(token)?.[1] ?? null;
}
