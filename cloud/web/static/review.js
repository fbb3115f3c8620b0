// @ts-check
// <review-desk>: a queue judged by keyboard. The next findings are fetched before they are needed; a verdict goes to
// `verdicts.js`, which keeps and sends it, while the next finding is already shown, and comes back when it was refused.

import "./room.js";
import { isTyping } from "./shell.js";
import { before, give, said, waiting } from "./verdicts.js";
import { t } from "./words.js";

const AHEAD = 3;
/** The next part of the queue is fetched when so few are left of this one. */
const LOW = 12;

/** When the page is drawn as it is now. @returns {Promise<unknown>} */
const drawn = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

class ReviewDesk extends HTMLElement {
  /** Fetched findings by id. @type {Map<string, Promise<string>>} */ #fetched = new Map();
  /** What can be taken back, oldest first. @type {(import("./verdicts.js").Given & { key: string })[]} */ #done = [];
  /** The keys of what was said since the page was opened. @type {Set<string>} */ #own = new Set();
  /** @type {Set<string>} */ #marked = new Set();
  #current = "";
  /** The next part of the queue, on its way. @type {Promise<boolean> | null} */ #coming = null;
  #seen = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.#more());

  connectedCallback() {
    document.addEventListener("keydown", (event) => {
      if (isTyping(event)) return this.#leaveField(event);
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      if (this.#press(event.key.toLowerCase())) event.preventDefault();
    });
    this.addEventListener("click", (event) => {
      const target = /** @type {Element} */ (event.target);
      const key = target.closest("[data-key]")?.getAttribute("data-key");
      if (key) this.#press(key);
      if (target.closest(".more")) this.#more();
      if (target.closest("#news")) location.reload();
      const item = target.closest("li[data-id]");
      if (item) this.#show(item.getAttribute("data-id") ?? "");
    });
    this.querySelector(".filters")?.addEventListener("change", (event) => /** @type {HTMLFormElement} */ (event.currentTarget).requestSubmit());
    document.body.addEventListener("kestrel:finding", (event) => this.#hear(/** @type {CustomEvent} */ (event).detail.id));
    document.addEventListener("kestrel:verdict", (event) => this.#told(/** @type {CustomEvent} */ (event).detail));
    // A filter changed the queue.
    document.addEventListener("htmx:after:swap", (event) => {
      if (/** @type {CustomEvent} */ (event).detail.ctx.target.id === "queue-rows") this.#begin();
    });
    this.#begin();
    before.then((kept) => {
      this.#stampWaiting();
      if (kept.some((verdict) => verdict.ids.includes(this.#current))) this.#advance();
    });
  }

  #begin() {
    this.#current = "";
    this.#marked.clear(); // what was marked may not be in sight any more
    this.#stampWaiting();
    this.#watch();
    const first = this.#items().find((item) => !item.classList.contains("judged")) ?? this.#items()[0];
    if (first) this.#show(first.dataset.id ?? "", first === this.#items()[0]);
    else this.#over(t("Nothing to judge."));
  }

  #items() {
    return /** @type {HTMLElement[]} */ ([...this.querySelectorAll(".queue-list li[data-id]")]);
  }

  /** @param {string} id */
  #item(id) {
    return this.#items().find((item) => item.dataset.id === id);
  }

  /** A note is finished with Enter or Escape. @param {KeyboardEvent} event */
  #leaveField(event) {
    const field = /** @type {HTMLElement} */ (event.target);
    if (field.id === "note" && (event.key === "Enter" || event.key === "Escape")) field.blur();
  }

  /** Do what a key stands for; return whether it stands for anything. @param {string} key */
  #press(key) {
    const may = this.querySelector("#note") !== null;
    if (key === "j" || key === "k") this.#step(key === "j" ? 1 : -1);
    else if (key === "?") /** @type {HTMLDialogElement} */ (this.querySelector("#keys-help")).showModal();
    else if (!may) return false;
    else if (key === "a") this.#judge("confirm");
    else if (key === "x") this.#judge("reject");
    else if (/^[1-5]$/.test(key)) this.#judge("regrade", key);
    else if (key === "u") this.#undo();
    else if (key === "s") this.#mark();
    else if (key === "e" || key === "d") return this.#who(key === "e" ? "button.primary" : "button[value=another]");
    else if (key === "n") /** @type {HTMLElement} */ (this.querySelector("#note")).focus();
    else return false;
    return true;
  }

  /** Say which defect the finding is, where that is asked. @param {string} answer */
  #who(answer) {
    const button = /** @type {HTMLElement | null} */ (this.#desk().querySelector(`link-question ${answer}`));
    button?.click();
    this.#fetched.delete(this.#current);
    return button !== null;
  }

  /** Fetch the next part of the queue when its end is scrolled to. */
  #watch() {
    this.#seen.disconnect();
    const end = this.querySelector(".queue-list .more");
    if (end) this.#seen.observe(end);
  }

  /** Put the next part of the queue behind this one, once; whether anything came. @returns {Promise<boolean>} */
  #more() {
    const end = /** @type {HTMLElement | null} */ (this.querySelector(".queue-list .more"));
    if (!end) return Promise.resolve(false);
    this.#coming ??= this.#fetchMore(end).finally(() => (this.#coming = null));
    return this.#coming;
  }

  /** @param {HTMLElement} end */
  async #fetchMore(end) {
    const answer = await fetch(end.dataset.more ?? "", { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer?.status === 401 || answer?.redirected) location.assign("/login?next=/review");
    if (!answer?.ok) {
      /** @type {HTMLElement} */ (end.firstElementChild).textContent = t("The rest could not be loaded: try again");
      return false;
    }
    const part = document.createElement("template");
    part.innerHTML = await answer.text();
    for (const item of part.content.querySelectorAll("li[data-id]")) if (this.#item(item.getAttribute("data-id") ?? "")) item.remove();
    const came = part.content.querySelector("li[data-id]") !== null;
    end.replaceWith(part.content);
    this.#stampWaiting();
    this.#watch();
    return came;
  }

  /** @param {number} by */
  async #step(by) {
    const from = this.#current;
    const to = () => this.#items()[this.#items().findIndex((item) => item.dataset.id === from) + by];
    if (!to() && by > 0) await this.#more();
    const next = to();
    if (next && this.#current === from) this.#show(next.dataset.id ?? "");
  }

  /** Go to the next one that is not judged, after this one, in the next part, or else from the start. */
  async #advance() {
    const from = this.#current;
    const open = (/** @type {HTMLElement[]} */ items) => items.find((item) => !item.classList.contains("judged"));
    const behind = () => open(this.#items().slice(this.#items().findIndex((item) => item.dataset.id === from) + 1));
    if (!behind() && this.querySelector(".queue-list .more")) {
      this.#current = ""; // a key that comes before the next finding does must not judge this one again
      this.#desk().innerHTML = `<p class="empty" role="status">${t("Loading …")}</p>`;
      await this.#more();
      if (this.#current) return;
    }
    const next = behind() ?? open(this.#items());
    if (next) return this.#show(next.dataset.id ?? "");
    this.#current = "";
    this.#over(t("All of these are judged."));
  }

  /** Say that nothing is left, and what to do next. @param {string} text */
  #over(text) {
    const next = /** @type {HTMLTemplateElement} */ (this.querySelector("#desk-over")).content.cloneNode(true);
    this.#desk().replaceChildren(next);
    /** @type {HTMLElement} */ (this.querySelector("#desk .over strong")).textContent = text;
    /** @type {HTMLElement} */ (this.querySelector("#desk .over .unfiltered")).hidden = !location.search;
  }

  #desk() {
    return /** @type {HTMLElement} */ (this.querySelector("#desk"));
  }

  /** @param {string} id @param {boolean} [inSight] it is known to be seen: nothing has to be laid out to find out */
  async #show(id, inSight = false) {
    this.#current = id;
    for (const item of this.#items()) item.querySelector("button")?.setAttribute("aria-current", String(item.dataset.id === id));
    if (!inSight) this.#item(id)?.scrollIntoView({ block: "nearest" });
    if (inSight) await drawn(); // the list first: what is fetched now would hold it up
    const html = await this.#fetch(id).catch(() => `<p class="problem" role="alert">${t("The server does not answer. Try again in a moment.")}</p>`);
    if (this.#current !== id) return;
    this.#desk().innerHTML = html;
    const shown = /** @type {HTMLElement | null} */ (this.#desk().querySelector("#on-desk"));
    if (shown) this.#saw(id, shown.dataset.seen ?? "");
    const items = this.#items();
    const here = items.findIndex((item) => item.dataset.id === id);
    if (items.length - here < LOW) this.#more();
    for (const item of items.slice(here + 1).filter((i) => !i.classList.contains("judged")).slice(0, AHEAD)) this.#fetch(item.dataset.id ?? "");
  }

  /** Fetch a finding and its first pictures, once. @param {string} id @returns {Promise<string>} */
  #fetch(id) {
    const known = this.#fetched.get(id);
    if (known) return known;
    const fetched = fetch(`/fragments/review/${encodeURIComponent(id)}`, { headers: { Accept: "text/html" } }).then(async (answer) => {
      if (answer.status === 401 || answer.redirected) location.assign("/login?next=/review");
      const html = await answer.text();
      if (!answer.ok) this.#fetched.delete(id);
      for (const [, source] of html.matchAll(/<im(?:g|age)[^>]* (?:src|href)="(\/pictures\/[^"]+)"/g)) new Image().src = source;
      return html;
    });
    fetched.catch(() => this.#fetched.delete(id));
    this.#fetched.set(id, fetched);
    return fetched;
  }

  #mark() {
    const item = this.#item(this.#current);
    if (!item) return;
    if (this.#marked.delete(this.#current)) item.classList.remove("marked");
    else this.#marked.add(this.#current) && item.classList.add("marked");
    this.#say(t("{0} marked", this.#marked.size));
    this.#step(1);
  }

  /** @param {string} verdict @param {string} [rank] */
  #judge(verdict, rank) {
    const shown = /** @type {HTMLElement | null} */ (this.#desk().querySelector("#on-desk"))?.dataset.id;
    // A key that comes before the finding does must not judge what nobody has seen.
    const ids = this.#marked.size ? [...this.#marked] : this.#current && this.#current === shown ? [this.#current] : [];
    if (!ids.length) return this.#current ? this.#say(t("Loading …")) : undefined;
    this.#marked.clear();
    const note = /** @type {HTMLInputElement} */ (this.querySelector("#note"));
    const items = ids.map((id) => this.#item(id)?.dataset ?? {});
    const about = { numbers: items.map((item) => item.number ?? ""), seen: items.map((item) => item.seen ?? "") };
    const given = { ids, ...about, verdict, rank, reason: note.value.trim() };
    this.#done.push({ ...given, key: this.#give(given) });
    this.#say(said(given));
    note.value = "";
    for (const id of ids) this.#stamp(id, rank ?? verdict);
    this.#advance();
  }

  #undo() {
    const last = this.#done.pop();
    if (!last) return this.#say(t("Nothing to take back"));
    this.#give({ ids: last.ids, numbers: last.numbers, seen: last.seen, verdict: "undo" });
  }

  /** @param {import("./verdicts.js").Given} given */
  #give(given) {
    const key = give(given);
    this.#own.add(key);
    return key;
  }

  /** What became of a verdict: what is taken back, or was refused, comes back to the desk.
   * @param {{ verdict: import("./verdicts.js").Verdict, answer: import("./verdicts.js").Answer, saved: string }} what */
  #told({ verdict, answer, saved }) {
    const own = this.#own.has(verdict.key);
    const refused = "refused" in answer;
    const done = this.#done.find((one) => one.key === verdict.key);
    if (done && !refused) done.seen = done.ids.map((id) => answer.seen[id]);
    for (const id of verdict.ids) {
      this.#fetched.delete(id);
      if (!refused) this.#saw(id, answer.seen[id]);
      if (refused !== (verdict.verdict === "undo")) this.#stamp(id, "");
    }
    if (refused) this.#done = this.#done.filter((one) => one !== done);
    if (saved || (own && !refused && verdict.verdict === "undo")) this.#say(saved || said(verdict));
    if (own && refused !== (verdict.verdict === "undo")) this.#show(verdict.ids[0]);
  }

  /** Note what a finding was when it was seen. @param {string} id @param {string} seen */
  #saw(id, seen) {
    const item = this.#item(id);
    if (item) item.dataset.seen = seen;
  }

  /** Show what was judged, and not sent yet, as judged. */
  #stampWaiting() {
    for (const { ids, verdict, rank } of waiting()) for (const id of ids) this.#stamp(id, verdict === "undo" ? "" : (rank ?? verdict));
  }

  /** Write a verdict on a finding in the queue; none takes it off. @param {string} id @param {string} verdict */
  #stamp(id, verdict) {
    const item = this.#item(id);
    if (!item) return;
    const was = item.classList.contains("judged");
    item.classList.remove("marked", "judged", "confirmed", "rejected");
    if (verdict) item.classList.add("judged", verdict === "reject" ? "rejected" : "confirmed");
    const shown = /** @type {HTMLElement} */ (item.querySelector(".verdict"));
    shown.textContent = verdict === "confirm" ? "✓" : verdict === "reject" ? "✕" : verdict;
    this.#fetched.delete(id);
    const left = this.querySelector("#left");
    if (left && !(/** @type {HTMLInputElement} */ (this.querySelector("[name=all]")).checked)) left.textContent = String(Number(left.textContent) + Number(was) - Number(Boolean(verdict)));
  }

  /** @param {string} text */
  #say(text) {
    /** @type {HTMLElement} */ (this.querySelector("#said")).textContent = text;
  }

  /** A finding changed: what was fetched of it is old, and one that is not in the queue is new. @param {string} id */
  #hear(id) {
    this.#fetched.delete(id);
    const news = this.querySelector("#news");
    if (news && id && !this.#item(id)) news.removeAttribute("hidden");
  }
}
customElements.define("review-desk", ReviewDesk);
