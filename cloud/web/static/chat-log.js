// @ts-check
// <chat-log>: asks a question and writes the streamed answer: sentences with citation chips, tool steps folded.

import { AS_A_PIECE, IN_WORDS, refuse, unanswered } from "./problem.js";
import { inline, t } from "./words.js";

/** @param {string} name @param {string} [text] @param {string} [className] */
function element(name, text = "", className = "") {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

class ChatLog extends HTMLElement {
  /** @type {AbortController | null} */ #running = null;
  /** The last question that was answered: "and on blade B?" is read after it. */ #previous = "";

  connectedCallback() {
    document.getElementById("ask-form")?.addEventListener("submit", (event) => {
      event.preventDefault();
      const input = /** @type {HTMLInputElement} */ (document.getElementById("ask"));
      if (input.value.trim()) this.ask(input.value.trim());
    });
    document.addEventListener("click", (event) => {
      const start = /** @type {Element} */ (event.target).closest("[data-ask]")?.getAttribute("data-ask");
      if (start) this.ask(start);
    });
    document.addEventListener("keydown", (event) => {
      const sheet = /** @type {HTMLDialogElement | null} */ (document.getElementById("sheet-dialog"));
      if (event.key === "Escape" && !this.hidden && !sheet?.open) this.#close();
    });
  }

  #close() {
    this.#running?.abort();
    this.hidden = true;
    document.getElementById("ask")?.focus();
  }

  /** @param {string} question */
  async ask(question) {
    this.#running?.abort();
    const running = new AbortController();
    this.#running = running;
    this.#begin(question);
    try {
      const response = await fetch("/v1/assistant/ask", {
        method: "POST",
        signal: running.signal,
        headers: { ...IN_WORDS, "Content-Type": "application/json", Accept: "application/x-ndjson", "X-Kestrel-CSRF": document.body.dataset.csrf ?? "" },
        body: JSON.stringify({ question, previous: this.#previous, time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC" }),
      });
      if (response.status === 401) return location.assign("/login");
      if (!response.ok || !response.body) throw new Error((await response.json()).detail);
      if (await this.#read(response.body)) this.#previous = question;
      document.body.dispatchEvent(new CustomEvent("kestrel:answered"));
    } catch (error) {
      if (!running.signal.aborted) this.#refuse({ reason: t("The question could not be answered: {0}", /** @type {Error} */ (error).message), questions: [] });
    }
    this.querySelector(".waiting")?.remove();
  }

  /** @param {ReadableStream<Uint8Array>} body @returns {Promise<boolean>} whether it was answered */
  async #read(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let answered = false;
    for (;;) {
      const { value, done } = await reader.read();
      rest += value ?? "";
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const event of lines.filter(Boolean).map((line) => JSON.parse(line))) {
        this.#take(event);
        answered ||= event.type === "end" && event.data.answered;
      }
      if (done) return answered;
    }
  }

  /** @param {string} question */
  #begin(question) {
    this.hidden = false;
    this.setAttribute("role", "region");
    this.setAttribute("aria-label", t("Answer"));
    const head = element("div", "", "head");
    const close = element("button", "", "close");
    close.setAttribute("type", "button");
    close.setAttribute("aria-label", t("Close answer"));
    close.innerHTML = '<svg class="icon" aria-hidden="true"><use href="#i-close"/></svg>';
    close.addEventListener("click", () => this.#close());
    head.append(element("p", question, "asked"), close);
    const sentences = element("ol", "", "sentences");
    sentences.setAttribute("aria-live", "polite");
    const steps = element("details");
    steps.hidden = true;
    steps.append(element("summary", t("How this was looked up")));
    this.replaceChildren(head, element("div", "", "understood"), element("div", "", "waiting"), sentences, steps);
  }

  /** @param {{ type: string, data: any }} event */
  #take(event) {
    const take = /** @type {Record<string, (d: any) => void>} */ ({
      plan: (d) => this.#plan(d),
      evidence: (d) => this.#evidence(d),
      sentence: (d) => this.querySelector(".sentences")?.append(this.#sentence(d)),
      removed: (d) => {
        const line = element("li", d.text, "removed");
        line.append(element("small", t("removed: {0}", d.reason)));
        this.querySelector(".sentences")?.append(line);
      },
      note: (d) => this.querySelector(".sentences")?.append(element("li", d.text, "quiet")),
      refusal: (d) => this.#refuse(d),
      end: (d) => {
        const summary = this.querySelector("summary");
        if (summary) summary.textContent = t("How this was looked up · {0} ms, {1}", Math.max(1, Math.round(d.elapsed_ms)), d.source === "planner" ? t("built-in planner") : d.source);
      },
    });
    take[event.type]?.(event.data);
  }

  /** @param {any} plan */
  #plan(plan) {
    const box = this.querySelector(".understood");
    for (const part of plan.understood) box?.append(element("span", `${part.words} = ${part.means}`));
  }

  /** @param {any} found */
  #evidence(found) {
    const steps = this.querySelector("details");
    if (!steps) return;
    steps.hidden = false;
    const box = element("div", "", "step");
    box.append(element("strong", `${found.step.id} ${found.step.title}`), element("span", ` ${found.step.tool} · ${found.rows.length === 1 ? t("1 row") : t("{0} rows", found.rows.length)} · ${found.elapsed_ms} ms`, "quiet"));
    const list = element("ul");
    for (const row of found.rows.slice(0, 12)) {
      const facts = Object.entries(row.values).filter(([, v]) => v !== null && v !== "" && !(Array.isArray(v) && !v.length)).slice(0, 9);
      list.append(element("li", `${row.label}: ${facts.map(([k, v]) => `${k.replaceAll("_", " ")} ${typeof v === "number" ? Math.round(v * 100) / 100 : v}`).join(", ")}`, "quiet"));
    }
    box.append(list);
    steps.append(box);
  }

  /** @param {any} sentence */
  #sentence(sentence) {
    const line = element("li", sentence.text);
    const chips = element("span", "", "chips");
    for (const cite of sentence.citations) chips.append(this.#chip(cite));
    if (sentence.cited_of) chips.append(element("span", t("of {0}", sentence.cited_of), "quiet"));
    line.append(chips);
    return line;
  }

  /** @param {any} cite */
  #chip(cite) {
    const chip = /** @type {HTMLAnchorElement} */ (element("a", cite.label, "chip"));
    chip.href = cite.href || "/";
    if (cite.kind === "finding") chip.dataset.finding = cite.id;
    return chip;
  }

  /** A drafted action: its fields to fill, and the button with which a person confirms it. @param {any} proposal */
  #form(proposal) {
    const form = element("form", "", "proposal");
    const { proposal_id: id, kind, ...fields } = proposal;
    form.append(element("strong", inline(kind)));
    for (const [name, value] of Object.entries(fields)) {
      const label = element("label", `${inline(name)} `);
      const input = /** @type {HTMLInputElement} */ (element("input"));
      input.name = name;
      input.value = String(value ?? "");
      label.append(input);
      form.append(label);
    }
    const confirm = element("button", t("Confirm"));
    confirm.setAttribute("type", "submit");
    form.append(confirm);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const parameters = Object.fromEntries([...new FormData(/** @type {HTMLFormElement} */ (form))].map(([name, value]) => [name, typeof fields[name] === "number" ? Number(value) : value]));
      const response = await fetch(`/v1/assistant/proposals/${encodeURIComponent(id)}/confirm`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Kestrel-CSRF": document.body.dataset.csrf ?? "", ...AS_A_PIECE },
        body: JSON.stringify({ parameters }),
      }).catch(() => null);
      if (!response) {
        form.querySelector(".problem")?.remove();
        return form.insertAdjacentHTML("beforeend", unanswered());
      }
      if (!response.ok) return refuse(response, form);
      form.replaceChildren(element("p", t("Done: {0}.", inline(kind)), "quiet"));
    });
    return form;
  }

  /** @param {any} refusal */
  #refuse(refusal) {
    const box = element("div");
    box.append(element("p", refusal.reason, "refusal-text"));
    if (refusal.proposal) box.append(this.#form(refusal.proposal));
    if (refusal.questions.length) {
      const list = element("div", "", "suggest");
      list.append(element("span", t("I can answer:"), "quiet"));
      for (const question of refusal.questions) {
        const button = element("button", question);
        button.setAttribute("type", "button");
        button.addEventListener("click", () => {
          /** @type {HTMLInputElement} */ (document.getElementById("ask")).value = question;
          this.ask(question);
        });
        list.append(button);
      }
      box.append(list);
    }
    this.querySelector(".sentences")?.after(box);
  }
}
customElements.define("chat-log", ChatLog);
