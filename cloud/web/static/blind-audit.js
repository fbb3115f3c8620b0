// @ts-check
// <blind-audit>: rectangles drawn on a frame, by hand or by keys, then one answer; what comes back takes its place.
// What is drawn is kept on this device until it is answered: a closed tab loses none.

import { drawnOn, keep } from "./drawn.js";
import { drag, press, scale, show, wheel, whole } from "./frame-viewer.js";
import { AS_A_PIECE, refuse, unanswered } from "./problem.js";
import "./room.js";
import { isTyping } from "./shell.js";
import { t } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
/** A rectangle whose sides are shorter on the screen was a slip of the hand. */
const LEAST_PX = 5;
const MOST = 40;

/** @typedef {import("./drawn.js").Box} Box */
/** @typedef {import("./drawn.js").Mark} Mark */

class BlindAudit extends HTMLElement {
  /** @type {Mark[]} */ #marks = [];
  /** Where a rectangle that is being drawn began, in shares of the frame. @type {{ x: number, y: number } | null} */ #from = null;
  #sending = false;
  /** The frame whose marks are kept as they change; "" until those that were kept of it have come. */ #keeping = "";
  /** When they have. */ #restored = Promise.resolve();
  /** Whether the marks are in this page only. */ #unkept = false;

  connectedCallback() {
    document.addEventListener("keydown", (event) => this.#onKey(event));
    this.addEventListener("click", (event) => this.#onClick(/** @type {Element} */ (event.target)));
    this.addEventListener("wheel", (event) => this.#on(event) && wheel(this.#frame(), event), { passive: false });
    this.addEventListener("pointerdown", (event) => this.#down(event));
    this.addEventListener("pointermove", (event) => this.#move(event));
    this.addEventListener("pointerup", (event) => this.#up(event));
    this.addEventListener("pointercancel", () => this.#leave());
    addEventListener("beforeunload", (event) => this.#unkept && this.#marks.length && event.preventDefault());
    this.#begin();
  }

  #frame() {
    return /** @type {SVGSVGElement} */ (this.querySelector("svg.frame"));
  }

  /** Whether something happens on the frame. @param {Event} event */
  #on(event) {
    return Boolean(/** @type {Element} */ (event.target).closest("svg.frame"));
  }

  /** Take up a frame that came, with the marks that were on it. */
  #begin() {
    this.#marks = [];
    this.#from = null;
    this.#keeping = "";
    for (const said of (this.#frame()?.dataset.marks ?? "").split(";").filter(Boolean)) {
      const [kind, ...at] = said.split(" ");
      const [x0, y0, x1, y1] = at.map(Number);
      this.#marks.push({ kind, box: { x0, y0, x1, y1 } });
    }
    const { answered } = /** @type {HTMLElement | null} */ (this.querySelector("#last"))?.dataset ?? {};
    if (answered) keep(answered, []).catch(() => null);
    if (!this.#frame()) return;
    this.#draw();
    this.#restored = this.#restore(this.#frame().dataset.frame ?? "");
  }

  /** Put back what was drawn on a frame and not sent; marks of an answer that is taken back take its place. @param {string} frame */
  async #restore(frame) {
    const before = this.#marks.length ? [] : await drawnOn(frame);
    if (this.#frame()?.dataset.frame !== frame) return;
    this.#marks.unshift(...before);
    this.#keeping = frame;
    this.#draw();
    if (before.length) this.#say(t("Marks that you drew and did not send are back: {0}.", before.length));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (isTyping(event) && /** @type {HTMLInputElement} */ (event.target).type !== "radio") return;
    if (this.#on(event)) press(this.#frame(), event);
    if (this.#press(event.key.toLowerCase())) event.preventDefault();
  }

  /** @param {Element} target */
  #onClick(target) {
    const button = /** @type {HTMLElement | null} */ (target.closest("button"));
    if (!button) return;
    if (button.dataset.key === "back") this.#takeBack();
    else if (button.dataset.key) this.#press(button.dataset.key);
    else if (button.dataset.zoom) this.#zoom(button);
    else if (button.dataset.remove) this.#remove(Number(button.dataset.remove));
    else if (button.dataset.mark) this.#makeFinding(button.dataset.mark);
  }

  /** Do what a key stands for; return whether it stands for anything. @param {string} key */
  #press(key) {
    if (key === "u") this.#marks.length ? this.#remove(this.#marks.length - 1) : this.#takeBack();
    else if (!this.#frame()) return false;
    else if (key === "a") this.#answer("marked");
    else if (key === "x") this.#answer("nothing");
    else if (key === "c") this.#answer("unclear");
    else if (key === "r") this.#middle();
    else return this.#choose(key);
    return true;
  }

  /** @param {string} key */
  #choose(key) {
    const kind = /** @type {HTMLInputElement | undefined} */ ([...this.querySelectorAll("[name=kind]")].find((k) => /** @type {HTMLElement} */ (k).dataset.key === key));
    if (kind) kind.checked = true;
    return Boolean(kind);
  }

  /** @param {HTMLElement} button */
  #zoom(button) {
    const frame = this.#frame();
    if (button.dataset.zoom === "move") button.setAttribute("aria-pressed", String(!this.#moves()));
    else if (button.dataset.zoom === "all") show(frame, 0, 0, whole(frame).w);
    else scale(frame, button.dataset.zoom === "in" ? 0.6 : 1 / 0.6, 0.5, 0.5);
  }

  /** Whether a drag moves the frame instead of drawing on it. */
  #moves() {
    return this.querySelector("[data-zoom=move]")?.getAttribute("aria-pressed") === "true";
  }

  /** Where a pointer is, in shares of the frame. @param {PointerEvent} event */
  #at(event) {
    const frame = this.#frame();
    const { w, h } = whole(frame);
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(/** @type {DOMMatrix} */ (frame.getScreenCTM()).inverse());
    const share = (/** @type {number} */ n) => Math.min(1, Math.max(0, n));
    return { x: share(at.x / w), y: share(at.y / h) };
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (!this.#on(event) || event.button || !event.isPrimary || this.#sending) return;
    this.#frame().setPointerCapture(event.pointerId);
    if (!this.#moves()) this.#from = this.#at(event);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (!event.buttons || !this.#on(event)) return;
    if (this.#moves()) drag(this.#frame(), event);
    else if (this.#from) this.#outline(this.#span(this.#from, this.#at(event)));
  }

  /** @param {PointerEvent} event */
  #up(event) {
    if (!this.#from || !event.isPrimary) return;
    const box = this.#span(this.#from, this.#at(event));
    this.#leave();
    const frame = this.#frame();
    const px = (whole(frame).w / frame.viewBox.baseVal.width) * frame.clientWidth;
    const high = (whole(frame).h / frame.viewBox.baseVal.height) * frame.clientHeight;
    if ((box.x1 - box.x0) * px >= LEAST_PX && (box.y1 - box.y0) * high >= LEAST_PX) this.#add(box);
  }

  /** Forget the rectangle that is being drawn. */
  #leave() {
    this.#from = null;
    this.querySelector("rect.drawn")?.remove();
  }

  /** @param {{ x: number, y: number }} a @param {{ x: number, y: number }} b @returns {Box} */
  #span(a, b) {
    return { x0: Math.min(a.x, b.x), y0: Math.min(a.y, b.y), x1: Math.max(a.x, b.x), y1: Math.max(a.y, b.y) };
  }

  /** Mark the middle third of what is shown: so a mark can be made by keys alone. */
  #middle() {
    const frame = this.#frame();
    const { w, h } = whole(frame);
    const { x, y, width, height } = frame.viewBox.baseVal;
    this.#add({ x0: (x + width / 3) / w, y0: (y + height / 3) / h, x1: (x + (2 * width) / 3) / w, y1: (y + (2 * height) / 3) / h });
  }

  /** @param {Box} box */
  #add(box) {
    if (this.#marks.length >= MOST) return this.#say(t("No more than {0} marks fit on a frame.", MOST));
    const kind = /** @type {HTMLInputElement} */ (this.querySelector("[name=kind]:checked")).value;
    this.#marks.push({ kind, box });
    this.#draw();
  }

  /** @param {number} index */
  #remove(index) {
    this.#marks.splice(index, 1);
    this.#draw();
  }

  /** @param {string} kind */
  #named(kind) {
    return this.querySelector(`[name=kind][value="${kind}"]`)?.closest("label")?.querySelector("span")?.textContent ?? kind;
  }

  /** Show the marks, on the frame and as a list. */
  #draw() {
    for (const old of this.querySelectorAll("rect.mark")) old.remove();
    for (const mark of this.#marks) this.#frame().append(this.#rectangle(mark.box, "mark"));
    const list = /** @type {HTMLElement} */ (this.querySelector("#marks"));
    list.replaceChildren(...this.#marks.map((mark, index) => this.#item(mark, index)));
    /** @type {HTMLElement} */ (this.querySelector("#unmarked")).hidden = this.#marks.length > 0;
    /** @type {HTMLElement} */ (this.querySelector("#marked")).textContent = String(this.#marks.length);
    /** @type {HTMLButtonElement} */ (this.querySelector("[data-key=a]")).disabled = !this.#marks.length;
    for (const key of ["x", "c"]) /** @type {HTMLButtonElement} */ (this.querySelector(`[data-key=${key}]`)).disabled = this.#marks.length > 0;
    this.#say("");
    if (this.#keeping) keep(this.#keeping, this.#marks).then(() => (this.#unkept = false), () => (this.#unkept = true));
  }

  /** @param {Mark} mark @param {number} index */
  #item(mark, index) {
    const item = document.createElement("li");
    const name = document.createElement("span");
    const remove = document.createElement("button");
    name.textContent = this.#named(mark.kind);
    remove.type = "button";
    remove.className = "btn";
    remove.dataset.remove = String(index);
    remove.textContent = t("Remove");
    remove.setAttribute("aria-label", t("Remove mark {0}", index + 1));
    const lit = (/** @type {boolean} */ on) => () => this.querySelectorAll("rect.mark")[index]?.classList.toggle("lit", on);
    for (const [event, on] of /** @type {[string, boolean][]} */ ([["pointerenter", true], ["pointerleave", false], ["focusin", true], ["focusout", false]])) item.addEventListener(event, lit(on));
    item.append(name, remove);
    return item;
  }

  /** @param {Box} box @param {string} style */
  #rectangle(box, style) {
    const { w, h } = whole(this.#frame());
    const rectangle = document.createElementNS(SVG, "rect");
    const sides = { x: box.x0 * w, y: box.y0 * h, width: (box.x1 - box.x0) * w, height: (box.y1 - box.y0) * h };
    for (const [name, value] of Object.entries(sides)) rectangle.setAttribute(name, value.toFixed(1));
    rectangle.setAttribute("class", style);
    return rectangle;
  }

  /** @param {Box} box */
  #outline(box) {
    this.querySelector("rect.drawn")?.remove();
    this.#frame().append(this.#rectangle(box, "drawn"));
  }

  /** @param {string} verdict */
  async #answer(verdict) {
    await this.#restored;
    if ((verdict === "marked") !== this.#marks.length > 0) return this.#say(this.#marks.length ? t("Take the marks off first, or send them.") : t("Nothing is marked yet."));
    const body = JSON.stringify({ verdict, marks: this.#marks });
    const html = await this.#post(`/blind-audits/${encodeURIComponent(this.#frame().dataset.frame ?? "")}`, body);
    if (html !== null) this.#shows(html);
  }

  async #takeBack() {
    const last = /** @type {HTMLElement | null} */ (this.querySelector("#last"));
    if (!last) return this.#say(t("Nothing to take back"));
    const html = await this.#post(`/blind-audits/${encodeURIComponent(last.dataset.answered ?? "")}/undo`);
    if (html !== null) this.#shows(html);
  }

  /** The marks on the frame before stay what they are: only what was said last is shown anew. @param {string} mark */
  async #makeFinding(mark) {
    const html = await this.#post(`/blind-audits/marks/${encodeURIComponent(mark)}/finding`);
    const last = this.querySelector("#last");
    if (html !== null && last) last.outerHTML = html;
  }

  /** @param {string} html */
  #shows(html) {
    this.innerHTML = html;
    this.#begin();
    this.#frame()?.focus({ preventScroll: true });
  }

  /** Send, one thing at a time; return what came, null where it was refused. @param {string} address @param {string} [body] */
  async #post(address, body) {
    if (this.#sending) return null;
    this.#sending = true;
    const headers = { ...AS_A_PIECE, Accept: "text/html", "Content-Type": "application/json", "X-Kestrel-CSRF": document.body.dataset.csrf ?? "" };
    const answer = await fetch(address, { method: "POST", body, headers }).catch(() => null);
    const html = answer?.ok ? await answer.text() : null;
    this.#sending = false;
    const said = /** @type {HTMLElement} */ (document.getElementById("said"));
    said.replaceChildren();
    if (!answer) said.innerHTML = unanswered();
    else if (!answer.ok) await refuse(answer, said);
    return html;
  }

  /** @param {string} text */
  #say(text) {
    const said = this.querySelector("#counted");
    if (said) said.textContent = text;
  }
}
customElements.define("blind-audit", BlindAudit);
