// @ts-check
// <hold-button kind="pause"><button>: sends "held" after a second of pressing (pointer, Space or Enter).
// A short press only says how to do it. Each held press has its own key, so a repeat is not a second command.

import { t } from "./words.js";

const HOLD_MS = 900;

class HoldButton extends HTMLElement {
  #timer = 0;

  connectedCallback() {
    const button = this.querySelector("button");
    if (!button || this.dataset.ready) return;
    this.dataset.ready = "1";
    button.dataset.hold = t("hold");
    button.addEventListener("pointerdown", (event) => event.button === 0 && this.#press());
    for (const name of ["pointerup", "pointerleave", "pointercancel", "blur"]) button.addEventListener(name, () => this.#release());
    button.addEventListener("keydown", (event) => {
      if ((event.key === " " || event.key === "Enter") && !event.repeat) {
        event.preventDefault();
        this.#press();
      }
      if (event.key === "Escape") this.#release();
    });
    button.addEventListener("keyup", () => this.#release());
    button.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  disconnectedCallback() {
    clearTimeout(this.#timer);
  }

  #press() {
    if (this.querySelector("button")?.disabled) return;
    this.classList.add("holding");
    this.#timer = window.setTimeout(() => {
      this.classList.remove("holding");
      this.#timer = 0;
      const key = crypto.randomUUID?.() ?? String(Math.random()).slice(2) + Date.now();
      this.setAttribute("hx-vals", JSON.stringify({ kind: this.getAttribute("kind"), key }));
      this.dispatchEvent(new CustomEvent("held", { bubbles: true }));
    }, HOLD_MS);
  }

  #release() {
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.classList.remove("holding");
    this.classList.add("hint");
    setTimeout(() => this.classList.remove("hint"), 900);
  }
}
customElements.define("hold-button", HoldButton);
