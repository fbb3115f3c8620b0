// @ts-check
// <hold-button kind="pause"><button>: sends "held" after a second of pressing (pointer, Space or Enter).
// A short press only says how to do it. Each held press has its own key, so a repeat is not a second command.
// What the press has come to is kept as states of the element: a page that redraws itself strips
// the classes and attributes it does not know. Why a command was refused stays until the next one is held.

import { newKey } from "./kept.js";
import { isOurs } from "./problem.js";
import { t } from "./words.js";

const HOLD_MS = 900;
const HINT_MS = 2500;
const SLIP_PX = 48; // the hand has moved off: it does not mean it

class HoldButton extends HTMLElement {
  #timer = 0;
  #from = [0, 0];
  /** @type {HTMLButtonElement | null} */
  #button = null;
  #states = this.attachInternals().states;

  connectedCallback() {
    const button = this.querySelector("button");
    if (!button || button === this.#button) return;
    this.#button = button;
    document.documentElement.style.setProperty("--hold", JSON.stringify(t("hold")));
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      // The press goes on where something that appears above moves the button from under the finger.
      button.setPointerCapture(event.pointerId);
      this.#from = [event.clientX, event.clientY];
      this.#press();
    });
    button.addEventListener("pointermove", (event) => {
      if (Math.hypot(event.clientX - this.#from[0], event.clientY - this.#from[1]) > SLIP_PX) this.#release();
    });
    for (const name of ["pointerup", "lostpointercapture", "pointercancel", "blur"]) button.addEventListener(name, () => this.#release());
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
    this.#states.delete("hint");
    this.#states.add("holding");
    this.#timer = window.setTimeout(() => {
      this.#states.delete("holding");
      this.#timer = 0;
      this.setAttribute("hx-vals", JSON.stringify({ kind: this.getAttribute("kind"), key: newKey() }));
      say(t("Sending: {0}", this.#button?.textContent?.trim()));
      this.dispatchEvent(new CustomEvent("held", { bubbles: true }));
    }, HOLD_MS);
  }

  #release() {
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#states.delete("holding");
    this.#states.add("hint");
    setTimeout(() => this.#states.delete("hint"), HINT_MS);
  }
}
customElements.define("hold-button", HoldButton);

/** Say what became of the command that was held. @param {string} text @param {string} [more] what it means, where it went wrong */
function say(text, more) {
  const box = document.getElementById("command-problem");
  if (!box) return;
  const said = document.createElement(more ? "strong" : "p");
  said.textContent = text;
  if (!more) return box.replaceChildren(said);
  const problem = document.createElement("div");
  problem.className = "problem";
  const rest = document.createElement("span");
  rest.textContent = more;
  problem.append(said, " ", rest);
  box.replaceChildren(problem);
}

/** The request of a held button, else nothing. @param {Event} event */
function ofHeld(event) {
  const ctx = /** @type {CustomEvent} */ (event).detail.ctx;
  return ctx?.sourceElement?.closest?.("hold-button") ? ctx : null;
}

document.addEventListener("htmx:after:swap", (event) => {
  if (ofHeld(event)?.response?.raw.ok) document.getElementById("command-problem")?.replaceChildren();
});

/** Say that nobody knows. @param {any} ctx the request of a held button */
function unknown(ctx) {
  say(t("{0}: the platform did not answer.", ctx.sourceElement.textContent.trim()), t("Whether it was sent is not known. Look at the list of commands; who holds the remote control can act at any time."));
}

document.addEventListener("htmx:error", (event) => {
  const ctx = ofHeld(event);
  if (ctx) unknown(ctx);
});
// What stands before the platform answered in its place. Told before `problem.js` hears of it, which knows no buttons.
document.addEventListener("htmx:after:request", (event) => {
  const ctx = ofHeld(event);
  if (!ctx || isOurs(ctx.response.status, ctx.text)) return;
  event.preventDefault();
  unknown(ctx);
}, { capture: true });
