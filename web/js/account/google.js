/** Signing in with Google: there and back by redirects, with an ID token in the fragment. */

import { addressWith } from "../browser/address.js";
import { tab } from "../browser/storage.js";
import { ApiError } from "../server/errors.js";
import { t } from "../text/texts.js";

const KEY = "parley.google";
let waiting = null;

/** Goes to Google. `start` is what the server says of it; `purpose` is "sign-in" or "link";
 * `everywhere`: whether to sign all tabs in. */
export async function goToGoogle(start, { purpose, everywhere = false }) {
  const endpoint = new URL(start.authorization_endpoint);
  if (!["https:", "http:"].includes(endpoint.protocol)) throw new ApiError(t("google.noAddress"));
  if (!crypto.subtle) throw new ApiError(t("google.needsHttps", { https: "https://" }));
  const [nonce, state] = [random(), random()];
  if (!tab.write(KEY, { nonce, state, purpose, everywhere })) {
    throw new ApiError(t("google.notKept"));
  }
  endpoint.search = new URLSearchParams({
    client_id: start.client_id,
    redirect_uri: location.origin + location.pathname,
    response_type: "id_token",
    scope: "openid email profile",
    nonce: await digest(nonce),
    state,
  });
  location.assign(endpoint);
}

/** What this tab came back from Google with: {purpose, everywhere, proof: {id_token, nonce}}, or null. The
 * address no longer shows it. */
export function takeGoogleAnswer() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (!given.has("state") || !(given.has("id_token") || given.has("error"))) return null;
  history.replaceState(null, "", location.pathname + location.search);
  const asked = tab.read(KEY);
  tab.remove(KEY);
  // A token that this tab did not ask for may be of another user.
  if (!asked || asked.state !== given.get("state") || !given.has("id_token")) return null;
  const { purpose, everywhere } = asked;
  return { purpose, everywhere, proof: { id_token: given.get("id_token"), nonce: asked.nonce } };
}

/** Keeps what is to be linked until the settings ask for it, and has them open there. */
export function keepForSettings(proof) {
  waiting = proof;
  history.replaceState(null, "", addressWith("settings", "google"));
}

export function takeForSettings() {
  const proof = waiting;
  waiting = null;
  return proof;
}

function random() {
  return hex(crypto.getRandomValues(new Uint8Array(24)));
}

async function digest(text) {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
