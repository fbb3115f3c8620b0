// @ts-check
// <compare-slider data-later="evd-…">: an earlier picture of a defect laid over the later one; a range wipes between.

import "./room.js";
import { t } from "./words.js";

class CompareSlider extends HTMLElement {
  connectedCallback() {
    this.querySelector("select")?.addEventListener("change", () => this.#load());
    this.querySelector("input")?.addEventListener("input", () => this.#wipe());
    this.#load();
  }

  async #load() {
    const earlier = /** @type {HTMLSelectElement} */ (this.querySelector("select")).value;
    const said = /** @type {HTMLElement} */ (this.querySelector("[role=status]"));
    const image = /** @type {HTMLImageElement} */ (this.querySelector(".earlier"));
    said.textContent = t("Bringing the pictures onto each other …");
    const answer = await fetch(`/pictures/${encodeURIComponent(earlier)}/onto/${encodeURIComponent(this.dataset.later ?? "")}.jpg`);
    if (!answer.ok) {
      image.hidden = true;
      said.textContent = t("The earlier picture cannot be shown: {0}", (await answer.json()).detail);
      return;
    }
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(await answer.blob());
    image.hidden = false;
    const [state, correlation] = (answer.headers.get("X-Kestrel-Alignment") ?? "").split(" ");
    said.textContent = state === "aligned" ? t("Same scale, same spot: their edges correlate {0}.", correlation) : t("Same scale; the spot could not be matched ({0}), so it is shown as it was taken.", correlation);
    this.#wipe();
  }

  #wipe() {
    const share = Number(/** @type {HTMLInputElement} */ (this.querySelector("input")).value);
    /** @type {HTMLElement} */ (this.querySelector(".earlier")).style.setProperty("clip-path", `inset(0 ${100 - share}% 0 0)`);
    /** @type {HTMLElement} */ (this.querySelector(".pair")).style.setProperty("--at", `${share}%`);
  }
}
customElements.define("compare-slider", CompareSlider);
