// What a reader typed outlives a reload, for as long as the tab is open.

const key = (field) => `clip-onnx.draft ${location.pathname} ${field.id}`;

/** Fill fields with what was typed before, else with `first`, and remember what is typed from now on. */
export function keep(fields) {
  for (const [field, first] of fields) {
    field.value = stored(field) ?? first;
    field.addEventListener("input", () => store(field));
  }
}

function stored(field) {
  try {
    return sessionStorage.getItem(key(field));
  } catch {
    return null; // storage may be switched off
  }
}

function store(field) {
  try {
    sessionStorage.setItem(key(field), field.value);
  } catch {
    // What is typed then lasts as long as the page.
  }
}
