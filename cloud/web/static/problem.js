// @ts-check
// What is wrong, beside what was tried: asked as a piece of a page, the server says it in a person's words.

import { t } from "./words.js";

/** Headers of a request whose refusal is shown. */
export const AS_A_PIECE = { "HX-Request": "true" };

/** Headers of a request for data whose sentences are shown: they come in the page's language. */
export const IN_WORDS = { Accept: "application/json", "X-Kestrel-Page": "1" };

/** What is said of a refusal: the platform's own words, or, where what stands before it answered with a page of its own, that
 * nothing is known. @param {number} status @param {string} text @returns {string} HTML */
export const inOurWords = (status, text) => (isOurs(status, text) ? text : unanswered());

/** What is said where no answer came: whether it was done, nobody here knows.
 * @param {string} [todo] @param {string} [happened] @returns {string} HTML */
export function unanswered(todo = t("Whether this was taken is not known. Look before you try again."), happened = t("The platform did not answer.")) {
  const box = document.createElement("div");
  box.innerHTML = '<div class="problem" role="alert"><strong></strong> <span></span></div>';
  const [what, then] = /** @type {NodeListOf<HTMLElement>} */ (box.querySelectorAll("strong, span"));
  what.textContent = happened;
  then.textContent = todo;
  return box.innerHTML;
}

/** Whether a refusal is the platform's. @param {number} status @param {string} text */
export const isOurs = (status, text) => status < 500 || new DOMParser().parseFromString(text, "text/html").querySelector(".problem") !== null;

document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = /** @type {CustomEvent} */ (event).detail;
  if (ctx.request.method !== "GET") ctx.text = inOurWords(ctx.response.status, ctx.text);
});

/** Show why a request was refused; who has no session any more signs in. @param {Response} answer @param {Element} box */
export async function refuse(answer, box) {
  if (answer.status === 401) return location.assign("/login");
  box.innerHTML = inOurWords(answer.status, await answer.text());
}
