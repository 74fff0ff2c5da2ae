/** What the address of this page names: a chat, a page of the settings. It stands in the fragment, which
 * goes to no server. */

/** The value of `name`, or null. */
export function named(name) {
  return new URLSearchParams(location.hash.slice(1)).get(name);
}

/** The address with another value of `name`; null removes it. */
export function addressWith(name, value) {
  const names = new URLSearchParams(location.hash.slice(1));
  if (value === null) names.delete(name);
  else names.set(name, value);
  const fragment = names.toString();
  return location.pathname + location.search + (fragment && `#${fragment}`);
}
