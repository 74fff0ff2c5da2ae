/** Where the API is: chosen on the sign-in page, else named by the server of these files. */

import { browser } from "../browser/storage.js";
import { pause } from "../browser/timing.js";
import { t } from "../text/texts.js";

const KEY = "parley.server";
const MAY_TAKE = 5000;
export const EXAMPLE_SERVER = "https://chat.example.org/api";

/** {api: base address without a trailing slash ("" is this origin), local: is it the local cloud}. */
export async function loadConfig() {
  let config = { api: "", local: false };
  try {
    const answer = await Promise.race([window.configAsked, pause(MAY_TAKE)]); // splash.js asked.
    if (answer?.ok) config = { ...config, ...(await answer.json()) };
  } catch {
    // Without a config.json this is a plain file server: the API is on this origin.
  }
  const api = trimmed(config.api ?? "");
  const chosen = chosenServer();
  return chosen ? { api: chosen, local: false } : { api, local: Boolean(config.local) };
}

export function chosenServer() {
  const chosen = browser.read(KEY);
  return typeof chosen === "string" && URL.canParse(chosen) ? chosen : "";
}

/** Remembers an address for this browser; throws a sentence if it is none. */
export function chooseServer(address) {
  if (!address.trim()) {
    browser.remove(KEY);
    return;
  }
  let url;
  try {
    url = new URL(address.trim());
  } catch {
    throw new Error(t("server.notWhole", { example: EXAMPLE_SERVER }));
  }
  if (!["http:", "https:"].includes(url.protocol)) {
    throw new Error(t("server.wrongProtocol", { https: "https://", http: "http://" }));
  }
  if (!browser.write(KEY, trimmed(url.origin + url.pathname))) {
    throw new Error(t("server.notKept"));
  }
}

function trimmed(address) {
  return address.replace(/\/+$/, "");
}
