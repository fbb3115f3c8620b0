// @ts-check
// <review-desk>: a queue judged by keyboard. The next findings are fetched before they are needed; a verdict goes to the
// server while the next finding is already shown, and comes back to the desk when it was refused. One of which nobody knows
// whether it was taken is kept, with what was judged since behind it, until it is sent again: its key makes it count once.

import "./room.js";
import { isOurs, newKey, unanswered } from "./problem.js";
import { isTyping } from "./shell.js";
import { t } from "./words.js";

const AHEAD = 3;
/** The next part of the queue is fetched when so few are left of this one. */
const LOW = 12;
const ANSWER_MS = 10000;
const SAID = /** @type {Record<string, string>} */ ({ confirm: t("{0} confirmed"), reject: t("{0} rejected"), regrade: t("{0} graded {1}") });

/** When the page is drawn as it is now. @returns {Promise<unknown>} */
const drawn = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

/** @typedef {{ ids: string[], verdict: string, rank?: string, saved: Promise<boolean> }} Verdict */
/** @typedef {{ said: string, address: string, body: URLSearchParams, ids: string[], once: Promise<boolean>, key: string, told: (taken: boolean) => void }} Change */

class ReviewDesk extends HTMLElement {
  /** Fetched findings by id. @type {Map<string, Promise<string>>} */ #fetched = new Map();
  /** What can be taken back, oldest first. @type {Verdict[]} */ #done = [];
  /** @type {Set<string>} */ #marked = new Set();
  #current = "";
  /** The next part of the queue, on its way. @type {Promise<boolean> | null} */ #coming = null;
  #seen = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.#more());
  /** What the server has not answered, oldest first: it is sent one after the other. @type {Change[]} */ #waiting = [];
  #sending = false;
  /** Of the first that waits nobody knows whether it was taken. */ #unknown = false;

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
      if (target.closest("#send-again")) this.#again();
      if (target.closest("#news")) location.reload();
      const item = target.closest("li[data-id]");
      if (item) this.#show(item.getAttribute("data-id") ?? "");
    });
    this.querySelector(".filters")?.addEventListener("change", (event) => /** @type {HTMLFormElement} */ (event.currentTarget).requestSubmit());
    document.body.addEventListener("kestrel:finding", (event) => this.#hear(/** @type {CustomEvent} */ (event).detail.id));
    // The stream is open: the platform may answer again.
    document.body.addEventListener("kestrel:resync", () => this.#again());
    addEventListener("beforeunload", (event) => this.#unknown && event.preventDefault());
    // A filter changed the queue.
    document.addEventListener("htmx:after:swap", (event) => {
      if (/** @type {CustomEvent} */ (event).detail.ctx.target.id === "queue-rows") this.#begin();
    });
    this.#begin();
  }

  #begin() {
    this.#current = "";
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
    const body = new URLSearchParams([...ids.map((id) => ["finding_id", id]), ["verdict", verdict], ["reason", note.value.trim()]]);
    if (rank) body.set("rank", rank);
    note.value = "";
    for (const id of ids) this.#stamp(id, rank ?? verdict);
    const said = SAID[verdict].replace("{0}", this.#names(ids)).replace("{1}", rank ?? "");
    const saved = this.#send(said, "/fragments/review", body, ids);
    this.#done.push({ ids, verdict, rank, saved });
    this.#say(said);
    this.#advance();
  }

  async #undo() {
    const last = this.#done.pop();
    if (!last) return this.#say(t("Nothing to take back"));
    const said = t("{0} taken back", this.#names(last.ids));
    const address = (/** @type {string} */ id) => `/fragments/review/${encodeURIComponent(id)}/undo`;
    const taken = await Promise.all(last.ids.map((id) => this.#send(said, address(id), new URLSearchParams(), [], last.saved)));
    last.ids.forEach((id, index) => taken[index] && this.#stamp(id, ""));
    if (!taken.every(Boolean)) return;
    this.#say(said);
    this.#show(last.ids[0]);
  }

  /** Send a change behind those that wait, and once another was taken; return whether it was. What is refused comes back to
   * the desk with the reason. @param {string} said @param {string} address @param {URLSearchParams} body @param {string[]} ids
   * @param {Promise<boolean>} [once] @returns {Promise<boolean>} */
  #send(said, address, body, ids, once = Promise.resolve(true)) {
    return new Promise((told) => {
      this.#waiting.push({ said, address, body, ids, once, key: newKey(), told });
      this.#unknown ? this.#tellUnknown() : this.#sendAll();
    });
  }

  /** Send what waits, up to the first that is not answered: what follows may be about the same finding. */
  async #sendAll() {
    if (this.#sending) return;
    this.#sending = true;
    this.#unknown = false;
    for (let first; (first = this.#waiting[0]); this.#waiting.shift()) {
      const taken = (await first.once) && (await this.#post(first));
      if (taken === null) break;
      first.told(taken);
    }
    this.#sending = false;
    this.#unknown = this.#waiting.length > 0;
    if (this.#unknown) this.#tellUnknown();
  }

  #again() {
    if (!this.#unknown) return;
    /** @type {HTMLElement} */ (this.querySelector("#desk-problem")).replaceChildren();
    this.#sendAll();
  }

  /** Whether a change was taken; null where nobody knows. @param {Change} change @returns {Promise<boolean | null>} */
  async #post({ address, body, ids, key }) {
    const headers = { "X-Kestrel-CSRF": document.body.dataset.csrf ?? "", Accept: "text/html", "Idempotency-Key": key };
    const asked = { method: "POST", body, headers, signal: AbortSignal.timeout(ANSWER_MS) };
    const answer = await fetch(address, asked).then(async (came) => ({ ok: came.ok, status: came.status, text: await came.text() })).catch(() => null);
    if (answer?.status === 401) location.assign("/login?next=/review");
    if (!answer || !(answer.ok || isOurs(answer.status, answer.text))) return null;
    if (!answer.ok) this.#refused(answer.text, ids);
    return answer.ok;
  }

  /** Say of which change nobody knows, and how to find out. */
  #tellUnknown() {
    const more = this.#waiting.length - 1;
    const behind = more ? " " + t("What was judged since waits behind it: {0}.", more) : "";
    const box = /** @type {HTMLElement} */ (this.querySelector("#desk-problem"));
    box.innerHTML = unanswered(t("“{0}”: whether this was saved is not known. Sent again, it counts once.", this.#waiting[0].said) + behind);
    const again = document.createElement("button");
    again.type = "button";
    again.id = "send-again";
    again.className = "btn";
    again.textContent = t("Send again");
    box.firstElementChild?.append(" ", again);
  }

  /** @param {string} why @param {string[]} ids */
  #refused(why, ids) {
    /** @type {HTMLElement} */ (this.querySelector("#desk-problem")).innerHTML = why;
    this.#done = this.#done.filter((done) => done.ids !== ids);
    for (const id of ids) this.#stamp(id, "");
    if (ids.length) this.#show(ids[0]);
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

  /** @param {string[]} ids */
  #names(ids) {
    return ids.length === 1 ? `F-${this.#item(ids[0])?.dataset.number}` : t("{0} findings", ids.length);
  }

  /** @param {string} text */
  #say(text) {
    /** @type {HTMLElement} */ (this.querySelector("#said")).textContent = text;
    if (text && !this.#unknown) /** @type {HTMLElement} */ (this.querySelector("#desk-problem")).replaceChildren();
  }

  /** A finding changed: what was fetched of it is old, and one that is not in the queue is new. @param {string} id */
  #hear(id) {
    this.#fetched.delete(id);
    const news = this.querySelector("#news");
    if (news && id && !this.#item(id)) news.removeAttribute("hidden");
  }
}
customElements.define("review-desk", ReviewDesk);
