// @ts-check
// What is wrong, beside what was tried: asked as a piece of a page, the server says it in a person's words.

/** Headers of a request whose refusal is shown. */
export const AS_A_PIECE = { "HX-Request": "true" };

/** Show why a request was refused; who has no session any more signs in. @param {Response} answer @param {Element} box */
export async function refuse(answer, box) {
  if (answer.status === 401) return location.assign("/login");
  box.innerHTML = await answer.text();
}
