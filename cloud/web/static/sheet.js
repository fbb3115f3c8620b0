// @ts-check
// The side sheet of a finding: any [data-finding] opens it; focus goes back to what opened it.

import { give, said, show } from "./verdicts.js";
import { t } from "./words.js";

const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("sheet-dialog"));
const slot = /** @type {HTMLElement} */ (document.getElementById("sheet-slot"));
/** @type {Element | null} */
let opener = null;

/** Open the sheet of a finding. @param {string} id */
export async function openFinding(id) {
  if (!dialog.open) {
    opener = document.activeElement;
    slot.innerHTML = `<p class="empty" id="sheet-title" tabindex="-1" role="status">${t("Loading …")}</p>`;
    dialog.showModal();
  }
  const response = await fetch(`/fragments/findings/${encodeURIComponent(id)}`, { headers: { Accept: "application/xhtml+xml" } });
  if (response.status === 401) return location.assign(`/login?next=/`);
  const html = await response.text();
  if (!dialog.open) return;
  slot.innerHTML = html;
  /** @type {any} */ (window).htmx.process(slot);
  dialog.scrollTop = 0;
  show();
  /** @type {HTMLElement | null} */ (slot.querySelector("#sheet-title"))?.focus();
}

document.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  const link = target.closest("[data-finding]");
  if (link && !(/** @type {MouseEvent} */ (event).metaKey || /** @type {MouseEvent} */ (event).ctrlKey)) {
    event.preventDefault();
    openFinding(link.getAttribute("data-finding") ?? "");
  }
  if (target.closest("[data-close]") || target === dialog) dialog.close();
});

dialog.addEventListener("close", () => {
  slot.replaceChildren();
  if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
});

// A verdict goes the way of the desk's; the sheet is drawn anew when it was taken.
slot.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (!form.matches("form.review")) return;
  event.preventDefault();
  const verdict = /** @type {HTMLButtonElement} */ (/** @type {SubmitEvent} */ (event).submitter).value;
  const reason = String(new FormData(form).get("reason")).trim();
  const { id = "" } = /** @type {HTMLElement} */ (form.closest("#sheet")).dataset;
  give({ ids: [id], numbers: [form.dataset.number ?? ""], seen: [form.dataset.seen ?? ""], verdict, reason });
});
document.addEventListener("kestrel:verdict", (event) => {
  const { verdict, answer, saved } = /** @type {CustomEvent} */ (event).detail;
  /** @type {HTMLElement} */ (document.getElementById("sheet-said")).textContent = saved || ("refused" in answer ? "" : said(verdict));
  for (const id of verdict.ids) document.body.dispatchEvent(new CustomEvent("kestrel:finding", { detail: { id } }));
});

document.addEventListener("open-finding", (event) => openFinding(/** @type {CustomEvent} */ (event).detail));

// A session that has ended sends fragments to the sign-in page; go there instead of showing it inside this one.
document.addEventListener("htmx:before:response", (event) => {
  const raw = /** @type {CustomEvent} */ (event).detail.ctx.response.raw;
  if (raw.status === 401 || (raw.redirected && new URL(raw.url).pathname === "/login")) {
    event.preventDefault();
    location.assign("/login");
  }
});

// A filter swaps what it is about into the page; what cannot be shown is opened as a page that says why.
for (const name of ["htmx:response:error", "htmx:error"]) {
  document.addEventListener(name, (event) => {
    const ctx = /** @type {CustomEvent} */ (event).detail.ctx;
    if (ctx?.sourceElement.closest("[data-filters]")) location.assign(ctx.request.action);
  });
}
