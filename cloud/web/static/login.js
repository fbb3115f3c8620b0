// @ts-check
// The sign-in form: a refusal is shown in place instead of as a raw problem document.

import { IN_WORDS } from "./problem.js";
import { t } from "./words.js";

const form = /** @type {HTMLFormElement} */ (document.getElementById("sign-in"));
const refusal = /** @type {HTMLElement} */ (document.getElementById("refusal"));

document.cookie = `kestrel_zone=${encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone)}; path=/; max-age=31536000; samesite=lax`;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  refusal.hidden = true;
  const body = new URLSearchParams(/** @type {any} */ (new FormData(form)));
  try {
    const response = await fetch("/login", { method: "POST", body, redirect: "manual", headers: IN_WORDS });
    if (response.type === "opaqueredirect" || response.ok) {
      const next = String(body.get("next") ?? "/");
      location.assign(next.startsWith("/") && !next.startsWith("//") && !next.includes("\\") ? next : "/");
      return;
    }
    const problem = await response.json();
    refusal.textContent = [problem.detail, problem.hint].filter(Boolean).join(" ");
  } catch {
    refusal.textContent = t("The server does not answer. Try again in a moment.");
  }
  refusal.hidden = false;
  /** @type {HTMLInputElement} */ (form.elements.namedItem("password")).select();
});
