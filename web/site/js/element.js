// Building pages: elements with properties and children, all text as text.

/** element("p", {className: "note"}, "text", child…). */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-")) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

/** Offer `content` as a JSON file named `name`. */
export function download(name, content) {
  save(name, new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
}

/** Offer a Blob as a file named `name`. */
export function save(name, blob) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Call `run` once things have been quiet for a moment. */
export function afterTyping(run, wait = 400) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(run, wait);
  };
}
