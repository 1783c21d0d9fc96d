// The section of the front page in which a folder is opened, and its pictures are embedded.

import { origin } from "./catalogue.js";
import { Replaced } from "./engine.js";
import { element } from "./element.js";
import { nameOf } from "./entry.js";
import * as handles from "./handles.js";
import { Pace } from "./pace.js";
import { Spoken } from "./spoken.js";
import * as store from "./store.js";

const AGAIN = 2000; // ms between two rankings of a folder that is being indexed
const at = (id) => document.getElementById(id);

export class Indexing {
  /** grown() is called when more is indexed, at most every few seconds, and at the end. */
  constructor(grown) {
    this.grown = grown;
    this.folder = null;
    this.pace = new Pace();
    this.spoken = new Spoken(at("folder-spoken"));
    at("cancel").onclick = () => {
      this.run.ended = true;
      at("cancel").disabled = true; // until the pictures under way are done
    };
    at("resume").onclick = () => this.start(this.site);
    at("forget").onclick = () => this.forget();
    this.showForget();
  }

  /** Take a folder, or none. */
  open(folder) {
    this.stop();
    const closed = this.folder && !folder;
    this.folder = folder;
    if (!closed) return;
    for (const id of ["cancel", "resume", "progress", "failed"]) at(id).hidden = true;
    this.say("No folder is open.");
  }

  say(text) {
    at("folder-status").textContent = text;
    this.spoken.say(text);
  }

  /** End what is under way, for something else comes. */
  stop() {
    if (this.run) this.run.ended = this.run.replaced = true;
  }

  /** Embed what is missing with a site's model (header.js), if there are both already. */
  async start(site) {
    this.stop();
    this.site = site;
    if (!site || !this.folder) return;
    const run = this.run = { ended: false, replaced: false };
    this.pace = new Pace();
    at("cancel").hidden = at("cancel").disabled = false;
    at("resume").hidden = true;
    at("progress").hidden = false;
    this.showProgress();
    let failure = null;
    try {
      const report = () => run.replaced || this.showProgress();
      await this.folder.index(site.engine, origin(site), at("orient").checked, run, report);
    } catch (error) {
      if (error instanceof Replaced) return;
      failure = error;
    }
    if (!run.replaced) this.finish(run.ended, failure);
  }

  showProgress() {
    const { done, pictures, remembered } = this.folder;
    Object.assign(at("progress"), { max: pictures.length, value: done });
    const left = this.pace.left(done - remembered, pictures.length - remembered);
    this.say(`indexing: ${done} of ${pictures.length}${left && `, ${left}`}`);
    if (performance.now() - (this.told ?? 0) < AGAIN) return;
    this.told = performance.now();
    this.grown();
  }

  async finish(cancelled, failure) {
    at("cancel").hidden = at("progress").hidden = true;
    at("resume").hidden = this.folder.missing.length === 0;
    if (cancelled && !at("resume").hidden) at("resume").focus();
    this.say(failure ? failure.message : this.folder.summary());
    this.showFailed();
    await this.showForget();
    this.grown();
  }

  showFailed() {
    const { failed } = this.folder;
    const [title, list] = at("failed").children;
    at("failed").hidden = failed.size === 0;
    title.textContent = `${failed.size} pictures could not be embedded`;
    list.replaceChildren(...[...failed].map(([file, reason]) =>
      element("li", {}, `${nameOf(file)}: ${reason}`)));
  }

  async showForget() {
    const count = await store.count().catch(() => 0);
    at("forget").hidden = count === 0 && !(await handles.remembered());
    if (this.folder || !count) return;
    this.say(`No folder is open. ${count} embeddings are remembered from earlier visits.`);
  }

  async forget() {
    const count = await store.count();
    const folders = (await handles.remembered()) ? ", and its folder," : "";
    if (!confirm(`Forget the ${count} embeddings of pictures${folders} that this browser remembers? The pictures stay `
      + "where they are. A folder that is opened again is embedded anew.")) return;
    await Promise.all([store.clear(), handles.forget()]);
    at("again").hidden = true;
    at("forget").hidden = true;
    this.say("All embeddings are forgotten.");
  }
}
