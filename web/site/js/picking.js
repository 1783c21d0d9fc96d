// Pictures that are pasted or dropped anywhere on a page.

/**
 * Call pictures(files) for what is pasted or dropped, and folder(files) for a folder, or for several
 * pictures where there is no other use of them. `folder` may be left out.
 */
export function acceptPictures(pictures, folder) {
  for (const type of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(type, (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return; // text goes where it is dropped
      event.preventDefault(); // else the picture would take the page's place
      document.body.classList.toggle("over", type === "dragover");
      if (type === "drop") dropped(event.dataTransfer, pictures, folder);
    });
  }
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files].filter(({ type }) => type.startsWith("image/"));
    if (!files.length) return;
    event.preventDefault();
    pictures(files);
  });
}

async function dropped(transfer, pictures, folder) {
  const files = [...transfer.files];
  // Entries have to be taken before anything is awaited.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (folder && entries.some((entry) => entry.isDirectory)) folder(await inside(entries));
  else if (folder && files.length > 1) folder(files);
  else if (files.length) pictures(files);
}

/** All files of dropped folders, each with its `path`. */
async function inside(entries, above = "") {
  const found = [];
  for (const entry of entries) {
    const path = `${above}${entry.name}`;
    if (entry.isDirectory) found.push(...await inside(await children(entry), `${path}/`));
    else found.push(await file(entry, path));
  }
  return found;
}

const file = (entry, path) => new Promise((resolve, reject) => entry.file(resolve, reject))
  .then((found) => Object.assign(found, { path }));

/** A reader gives a hundred at a time. */
async function children(directory) {
  const reader = directory.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    found.push(...some);
  }
}
