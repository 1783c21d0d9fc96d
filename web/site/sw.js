// The pages without a network: every visit asks the server first, and where it does not answer takes
// what was there when the pages were last installed. Models have a place of their own (js/keeping.js).

const VERSION = "", FILES = []; // web/shell.py's
const PREFIX = `clip-onnx.pages ${self.registration.scope} `;
const NAME = `${PREFIX}${VERSION}`;

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(takeOver()));
self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && concerns(new URL(event.request.url))) {
    event.respondWith(answer(event.request));
  }
});

/** All or nothing, so that no page mixes two builds. */
async function install() {
  const cache = await caches.open(NAME);
  await cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
  await self.skipWaiting();
}

async function takeOver() {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== NAME) await caches.delete(name);
  }
  await self.clients.claim();
}

/** Files with digests are kept elsewhere; of lists of models in other places a copy is kept here. */
function concerns({ origin, pathname }) {
  return list(pathname) || (origin === self.location.origin && !/\.(onnx|onnx_data|wasm)$/.test(pathname));
}

const list = (pathname) => pathname.endsWith("/index.json");

async function answer(request) {
  const cache = await caches.open(NAME);
  try {
    const response = await fetch(request);
    if (response.ok && list(new URL(request.url).pathname)) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const found = await cache.match(request, { ignoreSearch: true });
    if (found) return found;
    throw error;
  }
}
