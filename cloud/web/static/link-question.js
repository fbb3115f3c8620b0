// @ts-check
// <link-question data-asked="fnd-…">: is this finding a defect known before? What the server answers takes its place.

import { inOurWords, unanswered } from "./problem.js";

class LinkQuestion extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest("button");
      if (button) this.#answer(button.value);
    });
  }

  /** @param {string} given */
  async #answer(given) {
    const undo = given === "undo";
    const address = `/fragments/link-question/${encodeURIComponent(this.dataset.asked ?? "")}${undo ? "/undo" : ""}`;
    const body = new URLSearchParams(undo ? { edit_id: this.dataset.edit ?? "" } : { given });
    for (const button of this.querySelectorAll("button")) button.disabled = true;
    const headers = { "X-Kestrel-CSRF": document.body.dataset.csrf ?? "", Accept: "text/html" };
    const answer = await fetch(address, { method: "POST", body, headers }).catch(() => null);
    if (answer?.ok) {
      const shown = document.createElement("template");
      shown.innerHTML = await answer.text();
      const next = shown.content.querySelector("link-question");
      this.replaceWith(shown.content);
      /** @type {HTMLElement | null | undefined} */ (next?.querySelector("button"))?.focus();
      return;
    }
    for (const button of this.querySelectorAll("button")) button.disabled = false;
    const said = /** @type {HTMLElement} */ (this.querySelector("[role=status]"));
    said.innerHTML = answer ? inOurWords(answer.status, await answer.text()) : unanswered();
  }
}
customElements.define("link-question", LinkQuestion);
