/** Keeps the client's own files ready by a service worker, and learns of new versions. */

const LOOK_EVERY = 3_600_000;

/** Registers the worker where there can be one: on https and localhost, with site data allowed.
 * `onNewVersion` is called when a reload would bring another version than the one that runs. */
export async function keepShell({ onNewVersion }) {
  const container = navigator.serviceWorker;
  if (!container) return;
  let hasWorker = Boolean(container.controller);
  container.addEventListener("controllerchange", () => {
    if (hasWorker) onNewVersion();
    hasWorker = true;
  });
  try {
    const registration = await container.register(trusted("worker.js"), { updateViaCache: "none" });
    lookNowAndThen(registration);
  } catch {
    // Site data is blocked, or the server has no worker: the client needs none.
  }
}

/** A page that stays open for days is never loaded, so the browser does not look by itself. */
function lookNowAndThen(registration) {
  let looked = Date.now();
  const look = () => {
    if (document.visibilityState !== "visible" || Date.now() < looked + LOOK_EVERY) return;
    looked = Date.now();
    registration.update().catch(() => null); // Offline.
  };
  document.addEventListener("visibilitychange", look);
  window.addEventListener("online", look);
  setInterval(look, LOOK_EVERY);
}

/** The only address that the page's policy lets a worker be made of. */
function trusted(address) {
  const rules = { createScriptURL: (given) => (given === "worker.js" ? given : null) };
  return window.trustedTypes?.createPolicy("parley-worker", rules).createScriptURL(address) ?? address;
}
