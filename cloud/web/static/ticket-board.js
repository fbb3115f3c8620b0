// @ts-check
// <ticket-board>: the arrows move between tickets and columns, as one sees them.

import "./room.js";

class TicketBoard extends HTMLElement {
  connectedCallback() {
    this.addEventListener("keydown", (event) => {
      const moves = /** @type {Record<string, [number, number]>} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] });
      const move = moves[event.key];
      if (move && this.#step(...move)) event.preventDefault();
    });
  }

  /** Move the focus by columns and cards; return whether there was somewhere to go. @param {number} across @param {number} down */
  #step(across, down) {
    const columns = [...this.querySelectorAll("section")].map((s) => /** @type {HTMLElement[]} */ ([...s.querySelectorAll("article > a")])).filter((cards) => cards.length);
    const here = columns.findIndex((cards) => cards.some((card) => card === document.activeElement));
    if (here < 0) return false;
    const row = columns[here].findIndex((card) => card === document.activeElement);
    const cards = columns[Math.min(columns.length - 1, Math.max(0, here + across))];
    cards[Math.min(cards.length - 1, Math.max(0, row + down))].focus();
    return true;
  }
}
customElements.define("ticket-board", TicketBoard);
