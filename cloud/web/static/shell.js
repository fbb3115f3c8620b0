// @ts-check
// What every page has: sign-out, the key that leads to the ask box, the rooms behind "More", filters that apply themselves.

import { forgetMarks, unsentMarks } from "./drawn.js";
import { waiting as unsent } from "./verdicts.js";
import { t } from "./words.js";

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !isTyping(event) && !document.querySelector("dialog[open]")) {
    event.preventDefault();
    document.getElementById("ask")?.focus();
  }
});

document.getElementById("sign-out")?.addEventListener("click", async () => {
  const left = unsent().length;
  if (left && !confirm(t("{0} of your verdicts are not sent yet. They stay on this device and are sent when you sign in here again. Sign out?", left))) return;
  const marks = await unsentMarks();
  if (marks && !confirm(t("Marks of a blind audit that are not sent: {0}. Signing out discards them. Sign out?", marks))) return;
  await fetch("/logout", { method: "POST", headers: { "X-Kestrel-CSRF": document.body.dataset.csrf ?? "" }, redirect: "manual" });
  await forgetMarks();
  location.assign("/login");
});

// The server lays calendars out by the reader's days.
const zone = `kestrel_zone=${encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone)}`;
if (!document.cookie.split("; ").includes(zone)) {
  document.cookie = `${zone}; path=/; max-age=31536000; samesite=lax`;
  if (document.querySelector("[data-days]")) location.reload();
}

document.getElementById("language")?.addEventListener("change", (event) => {
  const choice = /** @type {HTMLSelectElement} */ (event.target);
  document.cookie = `${choice.dataset.cookie}=${choice.value}; path=/; max-age=31536000; samesite=lax`;
  location.reload();
});

document.querySelector(".rail .more button")?.addEventListener("click", (event) => {
  const rail = /** @type {HTMLElement} */ (document.getElementById("rail"));
  const open = rail.classList.toggle("open");
  /** @type {HTMLElement} */ (event.currentTarget).setAttribute("aria-expanded", String(open));
});

document.addEventListener("change", (event) => {
  const form = /** @type {Element} */ (event.target).closest("form.filters-bar");
  if (form instanceof HTMLFormElement) form.requestSubmit();
});

// A filter that is left empty does not stand in the address.
document.addEventListener("formdata", (event) => {
  if (!/** @type {Element} */ (event.target).matches("form[method=get]")) return;
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});

// An answer that comes at once is not held up by dimming what it replaces.
const main = document.getElementById("main");
const WAITED_MS = 150;
let waiting = 0;
document.addEventListener("htmx:before:request", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => main?.classList.add("waited"), WAITED_MS);
});
document.addEventListener("htmx:finally:request", () => {
  clearTimeout(waiting);
  main?.classList.remove("waited");
});

// What stands below what a filter changed asks for itself once that is drawn.
document.addEventListener("htmx:after:swap", (event) => {
  const rest = document.getElementById(`${/** @type {CustomEvent} */ (event).detail.ctx.target.id}-rest`);
  rest?.setAttribute("aria-busy", "true");
  if (rest) requestAnimationFrame(() => setTimeout(() => rest.dispatchEvent(new Event("kestrel:rest"))));
});

/** Whether a key press is text for a field. @param {Event} event */
export function isTyping(event) {
  const target = event.target;
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || (target instanceof HTMLInputElement && target.type !== "checkbox");
}
