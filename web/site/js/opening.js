// The buttons that open folders: one, another beside it, one to come back to, and that of an earlier visit.
//
// Browsers that hand folders out again refuse some (Downloads, the desktop) as wholes; the plain way takes them.

import * as handles from "./handles.js";

const at = (id) => document.getElementById(id);

export class Opening {
  /** opened(files, beside, unread) is called with a folder's files; `beside`: what is open stays. */
  constructor(opened, say) {
    Object.assign(this, { opened, say });
    for (const [id, beside] of [["folder", false], ["another", true]]) {
      at(id).onchange = ({ target }) => {
        this.stop();
        opened(target.files, beside, 0);
        target.value = "";
      };
    }
    at("keep").hidden = !handles.able;
    at("keep").onclick = () => this.choose();
    at("again").onclick = () => this.take(this.before);
    this.offer();
  }

  /** Offer the folder of the last visit. */
  async offer() {
    this.before = await handles.remembered();
    at("again").hidden = !this.before;
    at("again").textContent = `Open “${this.before?.name}” again`;
  }

  async choose() {
    const handle = await handles.choose().catch((error) => this.say(error.message));
    if (handle) await this.take(handle);
  }

  /** Open a folder, and remember it, unless another one is opened while it is read. */
  async take(handle) {
    const mine = this.reading = {};
    this.say(`reading ${handle.name} …`);
    try {
      const { files, unread } = await handles.filesOf(handle);
      if (this.reading !== mine) return;
      at("again").hidden = true;
      this.opened(files, false, unread);
      await handles.remember(handle);
    } catch (error) {
      if (this.reading === mine) this.say(error.message);
    }
  }

  /** What is being read is not wanted any more. */
  stop() {
    this.reading = null;
  }
}
