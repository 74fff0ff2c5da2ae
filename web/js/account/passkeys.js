/** Passkeys: what the browser does with what the server asks. */

import { t } from "../text/texts.js";

const KEYS = {
  NotAllowedError: "passkey.refused",
  AbortError: "passkey.refused",
  InvalidStateError: "passkey.known",
  SecurityError: "passkey.otherSite",
};

/** Where to open this page instead, if its address is none that passkeys can belong to. */
export function namedAddress() {
  if (!["127.0.0.1", "[::1]"].includes(location.hostname)) return null;
  return `${location.protocol}//localhost${location.port ? `:${location.port}` : ""}${location.pathname}`;
}

/** Makes a passkey; resolves to what the server is to keep. */
export function make(options) {
  return ask(async () => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }));
}

/** Has a passkey answer; resolves to what the server is to check. */
export function answer(options) {
  return ask(async () => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }));
}

async function ask(call) {
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) throw new Error(t("passkey.unsupported"));
  try {
    return (await call()).toJSON();
  } catch (error) {
    throw new Error(t(KEYS[error.name] ?? "passkey.failed"));
  }
}
