// The page's address: what a reader asked and chose, so that it can be sent on, and gone back to.

const OURS = ["q", "model", "variant"];
let seen = location.search;

/** One of ?q= &model= &variant=, or null. */
export const get = (name) => new URLSearchParams(location.search).get(name);

/**
 * Put {q, model, variant} into the address; what is null or empty is left out.
 *
 * back: whether the browser's way back shall lead to what the address was.
 */
export function set(values, back) {
  const now = new URL(location.href);
  now.search = others();
  for (const name of OURS) {
    const value = name in values ? values[name] : get(name);
    if (value) now.search += `${now.search ? "&" : "?"}${name}=${encodeURIComponent(value)}`;
  }
  if (now.href === location.href) return;
  history[back ? "pushState" : "replaceState"](null, "", now);
  seen = location.search;
}

const followers = [];

/** Call `act` once a reader has gone back or forth to another question or model. */
export function onBack(act) {
  followers.push(act);
}

addEventListener("popstate", () => {
  if (location.search === seen) return; // a jump within the page is told, too
  seen = location.search;
  for (const act of followers) act();
});

/** What stands in the address besides, letter by letter: the models' address is one's own. */
export function others() {
  const kept = location.search.slice(1).split("&").filter((part) => part && !OURS.includes(part.split("=")[0]));
  return kept.length ? `?${kept.join("&")}` : "";
}
