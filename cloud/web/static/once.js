// @ts-check
// What a form sends counts once: a second click while it is on its way is not sent, and what was not answered is sent again
// under the key that it had. Commands and verdicts have keys of their own.

import { newKey } from "./kept.js";
import { unanswered } from "./problem.js";

/** Keys of what nobody has answered yet, by what was sent; a fault, the platform's own or a proxy's, is no answer. @type {Map<string, string>} */
const open = new Map();

/** The key of a request; the same request has the same one until it is `answered`. @param {string} sent */
export function keyOf(sent) {
  open.set(sent, open.get(sent) ?? newKey());
  return /** @type {string} */ (open.get(sent));
}

/** @param {string} sent */
export const answered = (sent) => open.delete(sent);

/** The form that an event of htmx is about; null for reading, and for buttons that are held and say themselves what came of it.
 * @param {Event} event */
function written(event) {
  const ctx = /** @type {CustomEvent} */ (event).detail.ctx;
  const itself = ctx?.sourceElement.closest("hold-button") && document.getElementById("command-problem");
  return !ctx || ctx.request.method === "GET" || itself ? null : ctx;
}

document.addEventListener("click", (event) => {
  if (event.detail > 1 && /** @type {Element} */ (event.target).closest("form[hx-post] button")) event.preventDefault();
}, { capture: true });

document.addEventListener("htmx:config:request", (event) => {
  const ctx = written(event);
  if (!ctx) return;
  ctx.sent = `${ctx.request.action}\n${new URLSearchParams(ctx.request.body)}`;
  ctx.request.headers["Idempotency-Key"] = keyOf(ctx.sent);
});
document.addEventListener("htmx:after:request", (event) => {
  const ctx = written(event);
  if (ctx && ctx.response.status < 500) answered(ctx.sent);
});
document.addEventListener("htmx:error", (event) => {
  const said = written(event) && document.getElementById("said");
  if (said) said.innerHTML = unanswered();
});

/** Forms whose request is on its way. @type {Set<EventTarget | null>} */
const away = new Set();
document.addEventListener("htmx:before:request", (event) => written(event) && away.add(written(event).sourceElement));
document.addEventListener("htmx:finally:request", (event) => away.delete(/** @type {CustomEvent} */ (event).detail.ctx.sourceElement));
document.addEventListener("submit", (event) => {
  if (!away.has(event.target)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, { capture: true });
