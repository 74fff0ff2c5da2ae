/** The service worker: has the client's own files ready, also without a connection. It answers for
 * those files and for config.json alone, and lets everything else pass: it keeps no answer of the API.
 *
 * SHELL comes from the build: {version, files: {path: integrity}}, what every page needs. It is null in a build without a
 * worker, which takes away the worker that a browser may have from a build before.
 */

const CONFIG_MAY_TAKE = 3000;
const PREFIX = "parley-shell-";
const base = new URL("./", self.location).href;
const name = SHELL && PREFIX + SHELL.version;
const addresses = new Set(Object.keys(SHELL?.files ?? {}).map((path) => base + path));

/** All or nothing: a file that is not of this version fails it, and the version before stays. */
async function install() {
  await caches.delete(name); // Caches are in the order in which they were made; the newest is last.
  const cache = await caches.open(name);
  const requests = Object.entries(SHELL.files).map(
    // Names with a hash may come from the browser's own cache; the others are looked at again.
    ([path, integrity]) => new Request(base + path, { integrity, cache: path.startsWith("assets/") ? "default" : "no-cache" }),
  );
  await cache.addAll(requests);
  await config().catch(() => null);
}

async function ours() {
  return (await caches.keys()).filter((one) => one.startsWith(PREFIX));
}

/** Of two versions, the newest is for pages that load now. Pages that run may need parts of the other. */
async function dropOld() {
  for (const old of (await ours()).slice(0, -2)) await caches.delete(old);
}

async function leave() {
  for (const one of await ours()) await caches.delete(one);
  await self.registration.unregister();
}

async function page(request) {
  return (await kept(base)) ?? fetch(request);
}

// A page that runs may be of the version before. What not every page needs is kept once it was used.
async function file(request) {
  const known = (await kept(request)) ?? (await caches.match(request));
  if (known) return known;
  const answer = await fetch(request);
  if (answer.ok && request.url.startsWith(`${base}assets/`)) await (await caches.open(name)).put(request, answer.clone());
  return answer;
}

/** Where the API is: as the server says now, or offline as it said last. */
async function config() {
  const cache = await caches.open(name);
  const address = `${base}config.json`;
  try {
    const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(CONFIG_MAY_TAKE) });
    if (answer.ok) await cache.put(address, answer.clone());
    else await cache.delete(address);
    return answer;
  } catch (error) {
    const last = await cache.match(address);
    if (last) return last;
    throw error;
  }
}

async function kept(request) {
  return (await caches.open(name)).match(request);
}

self.addEventListener("install", (event) => {
  self.skipWaiting();
  if (SHELL) event.waitUntil(install());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(SHELL ? dropOld().then(() => self.clients.claim()) : leave());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (!SHELL || request.method !== "GET") return;
  const address = request.url.replace(/[?#].*$/, "");
  if (request.mode === "navigate") {
    if (address === base || address === `${base}index.html`) event.respondWith(page(request));
  } else if (address === `${base}config.json`) {
    event.respondWith(config());
  } else if (addresses.has(address) || address.startsWith(`${base}assets/`)) {
    event.respondWith(file(request));
  }
});

// A notification that the worker shows, where pages cannot: on Android.
self.addEventListener("notificationclick", (event) => {
  const { chatId } = event.notification.data;
  event.notification.close();
  event.waitUntil(
    (async () => {
      const [page] = await self.clients.matchAll({ type: "window" });
      if (!page) return self.clients.openWindow(`${base}#chat=${chatId}`);
      page.postMessage({ chatId });
      return page.focus();
    })(),
  );
});
