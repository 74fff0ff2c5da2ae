/** The links in mails: what they are for and their token, in the fragment, which goes to no server. */

/** {purpose: "verify" or "reset", token} of the address, which then no longer shows it; or null. */
export function takeMailedLink() {
  const [, purpose, token] = /^#(verify|reset)=([\w-]+)$/.exec(location.hash) ?? [];
  if (!token) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return { purpose, token };
}
