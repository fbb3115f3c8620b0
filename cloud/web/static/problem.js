// @ts-check
// What is wrong, beside what was tried: asked as a piece of a page, the server says it in a person's words.

/** Headers of a request whose refusal is shown. */
export const AS_A_PIECE = { "HX-Request": "true" };

/** Headers of a request for data whose sentences are shown: they come in the page's language. */
export const IN_WORDS = { Accept: "application/json", "X-Kestrel-Page": "1" };

/** Show why a request was refused; who has no session any more signs in. @param {Response} answer @param {Element} box */
export async function refuse(answer, box) {
  if (answer.status === 401) return location.assign("/login");
  box.innerHTML = await answer.text();
}
