// @ts-check
// <frame-viewer>: evidence frames with their boxes; wheel, drag, pinch-free buttons and keys zoom by the view box.

/** How large a frame's picture is, in the units of its view box. @param {SVGSVGElement} frame */
export const whole = (frame) => ({ w: Number(frame.dataset.width ?? 3840), h: Number(frame.dataset.height ?? 2160) });

/** Show a part of a frame, by its left upper corner and its width. @param {SVGSVGElement} frame @param {number} x @param {number} y @param {number} width */
export function show(frame, x, y, width) {
  const { w, h } = whole(frame);
  const height = (width * h) / w;
  const left = Math.min(w - width, Math.max(0, x));
  const top = Math.min(h - height, Math.max(0, y));
  frame.setAttribute("viewBox", `${left.toFixed(1)} ${top.toFixed(1)} ${width.toFixed(1)} ${height.toFixed(1)}`);
}

/** Show more or less, with the place at these shares of the view where it is. @param {SVGSVGElement} frame @param {number} factor @param {number} atX @param {number} atY */
export function scale(frame, factor, atX, atY) {
  const { w, h } = whole(frame);
  const view = frame.viewBox.baseVal;
  const width = Math.min(w, Math.max(160, view.width * factor));
  show(frame, view.x + (view.width - width) * atX, view.y + (view.height - (width * h) / w) * atY, width);
}

/** Zoom by the wheel. @param {SVGSVGElement} frame @param {WheelEvent} event */
export function wheel(frame, event) {
  event.preventDefault();
  const box = frame.getBoundingClientRect();
  scale(frame, event.deltaY > 0 ? 1.2 : 1 / 1.2, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
}

/** Move what is shown by so much of the screen. @param {SVGSVGElement} frame @param {PointerEvent} event */
export function drag(frame, event) {
  const view = frame.viewBox.baseVal;
  const by = view.width / frame.clientWidth;
  show(frame, view.x - event.movementX * by, view.y - event.movementY * by, view.width);
}

/** Zoom and move by keys. @param {SVGSVGElement} frame @param {KeyboardEvent} event */
export function press(frame, event) {
  const view = frame.viewBox.baseVal;
  const step = view.width / 8;
  const moves = /** @type {Record<string, () => void>} */ ({
    "+": () => scale(frame, 0.7, 0.5, 0.5),
    "-": () => scale(frame, 1 / 0.7, 0.5, 0.5),
    ArrowLeft: () => show(frame, view.x - step, view.y, view.width),
    ArrowRight: () => show(frame, view.x + step, view.y, view.width),
    ArrowUp: () => show(frame, view.x, view.y - step, view.width),
    ArrowDown: () => show(frame, view.x, view.y + step, view.width),
  });
  if (!moves[event.key]) return;
  event.preventDefault();
  moves[event.key]();
}

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
    const shown = target.closest("[data-show]")?.getAttribute("data-show");
    if (shown) this.#show(shown);
    const zoom = target.closest("[data-zoom]")?.getAttribute("data-zoom");
    const frame = this.#frame();
    if (!zoom || !frame) return;
    if (zoom === "all") show(frame, 0, 0, whole(frame).w);
    else if (zoom === "box") this.#toBox(frame, 3);
    else scale(frame, zoom === "in" ? 0.6 : 1 / 0.6, 0.5, 0.5);
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
    frame.addEventListener("wheel", (event) => wheel(frame, event), { passive: false });
    frame.addEventListener("pointermove", (event) => {
      if (!event.buttons) return;
      frame.setPointerCapture(event.pointerId);
      drag(frame, event);
    });
    frame.addEventListener("keydown", (event) => press(frame, event));
  }

  /** Show the box with room of `around` times its size. @param {SVGSVGElement} frame @param {number} around */
  #toBox(frame, around) {
    const [x0, y0, x1, y1] = ["x0", "y0", "x1", "y1"].map((n) => Number(frame.dataset[n]));
    const { w, h } = whole(frame);
    const width = Math.min(w, Math.max(around * (x1 - x0) * w, around * (y1 - y0) * w, 480));
    show(frame, ((x0 + x1) / 2) * w - width / 2, ((y0 + y1) / 2) * h - (width * h) / w / 2, width);
  }
}
customElements.define("frame-viewer", FrameViewer);
