// Checked files that the browser keeps for all pages, in Cache Storage, each under its SHA-256.
//
// Names and addresses play no part: a file that another model or another page has too comes once.

const NAME = "clip-onnx.files";
// An address below the pages that nobody serves: sites that share a host keep apart.
const address = (sha256) => new URL(`../kept/${sha256}`, import.meta.url).href;

/** The bytes that were kept under a digest, or null. */
export async function kept(sha256) {
  try {
    const found = await (await caches.open(NAME)).match(address(sha256));
    return found ? new Uint8Array(await found.arrayBuffer()) : null;
  } catch {
    return null; // a browser without it, or a private window that refuses it
  }
}

/** Keep bytes under their digest: whether there was room. */
export async function keep(sha256, bytes) {
  try {
    await (await caches.open(NAME)).put(address(sha256), new Response(bytes));
    return true;
  } catch {
    return false;
  }
}

/** Forget what this site kept of other files than those of some digests: earlier builds'. */
export async function forgetOthers(digests) {
  const cache = await caches.open(NAME).catch(() => null);
  if (!cache) return;
  const wanted = new Set([...digests].map(address));
  for (const { url } of await cache.keys()) {
    if (url.startsWith(address("")) && !wanted.has(url)) await cache.delete(url);
  }
}

/** Call `act` while no other page or worker fetches the file of a digest. */
export function alone(sha256, act) {
  return navigator.locks ? navigator.locks.request(`clip-onnx.${sha256}`, act) : act();
}
