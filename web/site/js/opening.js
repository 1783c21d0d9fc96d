// The buttons that open folders: one, another beside it, and those of an earlier visit.

import * as handles from "./handles.js";

const at = (id) => document.getElementById(id);

export class Opening {
  /** opened(files, beside) is called with a folder's files; `beside`: what is open stays. */
  constructor(opened, say) {
    Object.assign(this, { opened, say, beside: false, open: [] });
    at("folder").onclick = (event) => {
      this.beside = this.adding ?? false;
      this.adding = false;
      if (!handles.canChoose) return;
      event.preventDefault(); // a folder from an input cannot be remembered
      this.choose();
    };
    at("folder").onchange = ({ target }) => {
      opened(target.files, this.beside);
      this.beside = false;
      target.value = "";
    };
    at("add").onclick = () => {
      this.adding = true;
      at("folder").click();
    };
    at("again").onclick = () => this.reopen();
    this.offer();
  }

  /** Offer the folders of the last visit. */
  async offer() {
    this.before = await handles.remembered();
    const names = this.before.map(({ name }) => `“${name}”`).join(" and ");
    at("again").hidden = !names;
    at("again").textContent = `Open ${names} again`;
  }

  async choose() {
    const { beside } = this;
    const handle = await handles.choose().catch((error) => this.say(error.message));
    if (handle) await this.take([handle], beside);
  }

  async reopen() {
    await this.take(this.before, false);
  }

  async take(found, beside) {
    this.say("reading the folder …");
    try {
      const files = await handles.filesOf(found);
      this.open = beside ? [...this.open, ...found] : found;
      at("again").hidden = true;
      await handles.remember(this.open);
      this.opened(files, beside);
    } catch (error) {
      this.say(error.message);
    }
  }
}
