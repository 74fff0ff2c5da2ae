/** Passkeys: what the browser does with what the server asks. */

const SENTENCES = {
  NotAllowedError: "Nothing was done: you said no, or took too long.",
  AbortError: "Nothing was done: you said no, or took too long.",
  InvalidStateError: "This device has a passkey for your account already.",
  SecurityError: "The server's passkeys are not for the address of this page.",
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
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) throw new Error("This browser does not know passkeys.");
  try {
    return (await call()).toJSON();
  } catch (error) {
    throw new Error(SENTENCES[error.name] ?? "The passkey could not be used.");
  }
}
