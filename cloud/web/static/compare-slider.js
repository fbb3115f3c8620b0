// @ts-check
// <compare-slider data-later="evd-…">: an earlier picture of a defect laid over the later one; a range wipes between.
// Or what differs in the two, or both in one picture.

import "./room.js";
import { IN_WORDS } from "./problem.js";
import { t } from "./words.js";

class CompareSlider extends HTMLElement {
  /** What was asked for last: an answer to what was asked before comes too late. */ #asked = new AbortController();

  connectedCallback() {
    this.querySelector("select")?.addEventListener("change", () => this.#load());
    this.querySelector("[type=range]")?.addEventListener("input", () => this.#wipe());
    this.querySelector(".layers")?.addEventListener("change", () => this.#load());
    this.#load();
  }

  /** Which layer is chosen: crop (wiped), difference or overlay. */
  #layer() {
    return /** @type {HTMLInputElement} */ (this.querySelector(".layers :checked")).value;
  }

  async #load() {
    const layer = this.#layer();
    for (const legend of /** @type {NodeListOf<HTMLElement>} */ (this.querySelectorAll(".legend-of"))) legend.hidden = legend.dataset.layer !== layer;
    /** @type {HTMLElement} */ (this.querySelector(".wipe")).hidden = layer !== "crop";
    const earlier = /** @type {HTMLSelectElement} */ (this.querySelector("select")).value;
    const said = /** @type {HTMLElement} */ (this.querySelector("[role=status]"));
    const image = /** @type {HTMLImageElement} */ (this.querySelector(".earlier"));
    said.textContent = t("Bringing the pictures onto each other …");
    this.#asked.abort();
    const { signal } = (this.#asked = new AbortController());
    const address = `/pictures/${encodeURIComponent(earlier)}/onto/${encodeURIComponent(this.dataset.later ?? "")}.jpg?layer=${layer}`;
    const answer = await fetch(address, { headers: IN_WORDS, signal }).catch(() => null);
    const picture = answer?.ok ? await answer.blob().catch(() => null) : null;
    const problem = answer && !answer.ok ? await answer.json().catch(() => null) : null;
    if (signal.aborted) return;
    if (!answer || !picture) {
      image.hidden = true;
      said.textContent = t("The earlier picture cannot be shown: {0}", problem?.detail ?? t("The server does not answer. Try again in a moment."));
      return;
    }
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(picture);
    image.hidden = false;
    const [state, correlation] = (answer.headers.get("X-Kestrel-Alignment") ?? "").split(" ");
    said.textContent = state === "aligned" ? t("Same scale, same spot: their edges correlate {0}.", correlation) : t("Same scale; the spot could not be matched ({0}), so it is shown as it was taken.", correlation);
    this.#wipe();
  }

  #wipe() {
    const range = /** @type {HTMLInputElement} */ (this.querySelector("[type=range]"));
    const share = this.#layer() === "crop" ? Number(range.value) : 100;
    /** @type {HTMLElement} */ (this.querySelector(".earlier")).style.setProperty("clip-path", `inset(0 ${100 - share}% 0 0)`);
    /** @type {HTMLElement} */ (this.querySelector(".pair")).style.setProperty("--at", `${share}%`);
  }
}
customElements.define("compare-slider", CompareSlider);
