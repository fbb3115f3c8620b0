// @ts-check
// <frame-viewer>: evidence frames with their boxes; wheel, drag, pinch-free buttons and keys zoom by the view box.

const W = 3840;
const H = 2160;

class FrameViewer extends HTMLElement {
  connectedCallback() {
    if (this.dataset.ready) return;
    this.dataset.ready = "1";
    this.closest(".sheet-view")?.addEventListener("click", this.#onClick);
    for (const frame of this.querySelectorAll("svg.frame")) this.#wire(/** @type {SVGSVGElement} */ (frame));
    this.#mark();
    const first = this.#frame();
    if (first) this.#toBox(first, 5);
  }

  #frame() {
    return /** @type {SVGSVGElement | null} */ (this.querySelector("figure:not([hidden]) svg.frame"));
  }

  #onClick = (/** @type {Event} */ event) => {
    const target = /** @type {Element} */ (event.target);
    const show = target.closest("[data-show]")?.getAttribute("data-show");
    if (show) this.#show(show);
    const zoom = target.closest("[data-zoom]")?.getAttribute("data-zoom");
    const frame = this.#frame();
    if (!zoom || !frame) return;
    if (zoom === "all") this.#set(frame, 0, 0, W);
    else if (zoom === "box") this.#toBox(frame, 3);
    else this.#scale(frame, zoom === "in" ? 0.6 : 1 / 0.6, 0.5, 0.5);
  };

  /** @param {string} id */
  #show(id) {
    for (const figure of this.querySelectorAll("figure")) {
      figure.hidden = figure.dataset.evidence !== id;
      const image = figure.querySelector("image[data-href]");
      if (!figure.hidden && image) {
        image.setAttribute("href", image.getAttribute("data-href") ?? "");
        image.removeAttribute("data-href");
      }
    }
    const frame = this.#frame();
    if (frame) this.#toBox(frame, 5);
    this.#mark();
  }

  #mark() {
    const shown = this.querySelector("figure:not([hidden])")?.getAttribute("data-evidence");
    for (const button of this.closest(".sheet-view")?.querySelectorAll("[data-show]") ?? []) {
      button.setAttribute("aria-current", String(button.getAttribute("data-show") === shown));
    }
  }

  /** @param {SVGSVGElement} frame */
  #wire(frame) {
    frame.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = frame.getBoundingClientRect();
      this.#scale(frame, event.deltaY > 0 ? 1.2 : 1 / 1.2, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    }, { passive: false });
    frame.addEventListener("pointermove", (event) => {
      if (!event.buttons) return;
      frame.setPointerCapture(event.pointerId);
      const view = frame.viewBox.baseVal;
      const scale = view.width / frame.clientWidth;
      this.#set(frame, view.x - event.movementX * scale, view.y - event.movementY * scale, view.width);
    });
    frame.addEventListener("keydown", (event) => {
      const view = frame.viewBox.baseVal;
      const step = view.width / 8;
      const moves = /** @type {Record<string, () => void>} */ ({
        "+": () => this.#scale(frame, 0.7, 0.5, 0.5),
        "-": () => this.#scale(frame, 1 / 0.7, 0.5, 0.5),
        ArrowLeft: () => this.#set(frame, view.x - step, view.y, view.width),
        ArrowRight: () => this.#set(frame, view.x + step, view.y, view.width),
        ArrowUp: () => this.#set(frame, view.x, view.y - step, view.width),
        ArrowDown: () => this.#set(frame, view.x, view.y + step, view.width),
      });
      if (moves[event.key]) {
        event.preventDefault();
        moves[event.key]();
      }
    });
  }

  /** Show the box with room of `around` times its size. @param {SVGSVGElement} frame @param {number} around */
  #toBox(frame, around) {
    const [x0, y0, x1, y1] = ["x0", "y0", "x1", "y1"].map((n) => Number(frame.dataset[n]));
    const width = Math.min(W, Math.max(around * (x1 - x0) * W, (around * (y1 - y0) * H * W) / H, 480));
    this.#set(frame, ((x0 + x1) / 2) * W - width / 2, ((y0 + y1) / 2) * H - (width * H) / W / 2, width);
  }

  /** @param {SVGSVGElement} frame @param {number} factor @param {number} atX @param {number} atY */
  #scale(frame, factor, atX, atY) {
    const view = frame.viewBox.baseVal;
    const width = Math.min(W, Math.max(160, view.width * factor));
    const height = (width * H) / W;
    this.#set(frame, view.x + (view.width - width) * atX, view.y + (view.height - height) * atY, width);
  }

  /** @param {SVGSVGElement} frame @param {number} x @param {number} y @param {number} width */
  #set(frame, x, y, width) {
    const height = (width * H) / W;
    const left = Math.min(W - width, Math.max(0, x));
    const top = Math.min(H - height, Math.max(0, y));
    frame.setAttribute("viewBox", `${left.toFixed(1)} ${top.toFixed(1)} ${width.toFixed(1)} ${height.toFixed(1)}`);
  }
}
customElements.define("frame-viewer", FrameViewer);
