// @ts-check
// <route-planner>: draws the route anew while sliders move, keeps the choices in the address, shows a check's place on
// the drawings, exports kept plans and judges plans of other programs.

import "./room.js";
import { answered, keyOf } from "./once.js";
import { AS_A_PIECE, IN_WORDS, refuse, unanswered } from "./problem.js";
import { inline, t } from "./words.js";

const QUIET_MS = 180;

class RoutePlanner extends HTMLElement {
  #timer = 0;
  /** @type {AbortController | null} */ #asking = null;

  connectedCallback() {
    this.#form().addEventListener("input", (event) => this.#turned(/** @type {HTMLInputElement} */ (event.target)));
    this.#form().addEventListener("htmx:config:request", () => this.#names());
    this.addEventListener("click", (event) => {
      const check = /** @type {Element} */ (event.target).closest("[data-spot]");
      if (check) this.#point(check);
    });
    this.addEventListener("submit", (event) => {
      const form = /** @type {HTMLFormElement} */ (event.target);
      if (!form.matches(".export, #foreign")) return;
      event.preventDefault();
      if (form.matches(".export")) this.#take(form);
      else this.#judge(form, /** @type {HTMLButtonElement} */ (event.submitter)?.value === "keep");
    });
    this.#names();
  }

  #form() {
    return /** @type {HTMLFormElement} */ (this.querySelector("#wish"));
  }

  /** A slider nobody touched is left out: the planner chooses. */
  #names() {
    for (const input of this.querySelectorAll("input[type=range]")) {
      const field = /** @type {HTMLInputElement} */ (input);
      if (field.dataset.untouched !== undefined) field.removeAttribute("name");
      else field.name = field.id.slice(2);
    }
  }

  /** @param {HTMLInputElement} field */
  #turned(field) {
    if (field.type === "range") {
      delete field.dataset.untouched;
      const shown = /** @type {HTMLOutputElement} */ (field.parentElement?.querySelector("output"));
      shown.value = `${Number(field.value)} ${shown.dataset.unit}`;
    }
    this.#names();
    const query = new URLSearchParams(/** @type {any} */ (new FormData(this.#form()))).toString();
    if (field.dataset.page !== undefined) return location.assign(`/plan?${field.name === "asset" ? `asset=${encodeURIComponent(field.value)}` : query}`);
    history.replaceState(null, "", `/plan?${query}`);
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#draw(query), QUIET_MS);
  }

  /** @param {string} query */
  async #draw(query) {
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    const sketch = /** @type {HTMLElement} */ (this.querySelector("#sketch"));
    sketch.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(`/plan/sketch?${query}`, { signal: asking.signal, headers: { "HX-Request": "true" } });
      sketch.innerHTML = await answer.text();
    } catch {
      if (asking.signal.aborted) return;
      sketch.innerHTML = `<div class="problem" role="alert">${t("The planner does not answer. The last choice was not drawn.")}</div>`;
    }
    sketch.removeAttribute("aria-busy");
  }

  /** Show on every drawing where a check is closest to its limit. @param {Element} check */
  #point(check) {
    const on = check.getAttribute("aria-pressed") !== "true";
    for (const other of this.querySelectorAll("[data-spot]")) other.setAttribute("aria-pressed", String(other === check && on));
    for (const spot of this.querySelectorAll(".spot")) spot.classList.toggle("pointed", on && spot.classList.contains(`at-${check.getAttribute("data-spot")}`));
    if (on) check.closest(".part")?.querySelector(".views")?.scrollIntoView({ block: "nearest" });
  }

  /** @param {HTMLFormElement} form */
  async #take(form) {
    const select = /** @type {HTMLSelectElement} */ (form.querySelector("select"));
    const answer = await fetch(`/v1/routes/${form.dataset.plan}?format=${select.value}`, { headers: { ...IN_WORDS, ...AS_A_PIECE } });
    const box = /** @type {HTMLElement} */ (this.querySelector("#losses"));
    if (!answer.ok) return refuse(answer, box);
    const said = await answer.json();
    const bytes = Uint8Array.from(atob(said.content_base64), (c) => c.charCodeAt(0));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes], { type: said.media_type }));
    link.download = `${form.dataset.plan?.replace("/", "-v")}${select.selectedOptions[0].dataset.suffix}`;
    link.click();
    URL.revokeObjectURL(link.href);
    const losses = said.report.losses.map((/** @type {any} */ loss) => loss.words);
    this.#say(box, losses.length ? t("{0} does not hold:", link.download) : t("{0} holds everything.", link.download), losses);
  }

  /** Judge a file of another program, or store it as a plan of the asset. @param {HTMLFormElement} form @param {boolean} keep */
  async #judge(form, keep) {
    const file = /** @type {HTMLInputElement} */ (form.elements.namedItem("file")).files?.[0];
    if (!file) return;
    const bytes = new Uint8Array(await file.arrayBuffer());
    const content = btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
    const about = keep ? {} : { site_id: form.dataset.site, home: JSON.parse(form.dataset.home ?? "null") };
    const headers = { ...IN_WORDS, "Content-Type": "application/json", "X-Kestrel-CSRF": document.body.dataset.csrf ?? "", ...AS_A_PIECE };
    const body = JSON.stringify({ content_base64: content, name: file.name, asset_id: form.dataset.asset, ...about });
    const once = keep ? { "Idempotency-Key": keyOf(body) } : {};
    const asked = { method: "POST", headers: { ...headers, ...once }, body };
    const answer = await fetch(keep ? "/v1/routes/import" : "/v1/routes/checks", asked).catch(() => null);
    const box = /** @type {HTMLElement} */ (this.querySelector("#judged"));
    if (!answer) {
      box.innerHTML = unanswered();
      return;
    }
    if (answer.status < 500) answered(body);
    if (!answer.ok) return refuse(answer, box);
    const said = await answer.json();
    const checks = (keep ? said.plan : said).checks;
    const verdicts = checks.map((/** @type {any} */ check) => check.verdict);
    const go = verdicts.includes("block") ? t("no-go") : verdicts.includes("warn") ? t("go, with warnings") : t("go");
    const losses = keep ? said.report.losses.map((/** @type {any} */ loss) => t("left out: {0}", loss.words)) : [];
    const lines = checks.map((/** @type {any} */ c) => `${inline(c.verdict)}: ${c.sentence} ${c.mend}`);
    this.#say(box, keep ? t("{0} is kept as {1}: {2}.", file.name, said.plan.plan_id, go) : `${file.name}: ${go}.`, [...losses, ...lines]);
  }

  /** @param {HTMLElement} box @param {string} head @param {string[]} lines */
  #say(box, head, lines) {
    const list = document.createElement("ul");
    for (const line of lines) list.append(Object.assign(document.createElement("li"), { textContent: line }));
    box.replaceChildren(Object.assign(document.createElement("strong"), { textContent: head }), list);
  }
}
customElements.define("route-planner", RoutePlanner);
