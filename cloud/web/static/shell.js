// @ts-check
// What every page has: sign-out, the key that leads to the ask box.

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !isTyping(event) && !document.querySelector("dialog[open]")) {
    event.preventDefault();
    document.getElementById("ask")?.focus();
  }
});

document.getElementById("sign-out")?.addEventListener("click", async () => {
  await fetch("/logout", { method: "POST", headers: { "X-Kestrel-CSRF": document.body.dataset.csrf ?? "" }, redirect: "manual" });
  location.assign("/login");
});

/** Whether a key press is text for a field. @param {Event} event */
export function isTyping(event) {
  const target = event.target;
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || (target instanceof HTMLInputElement && target.type !== "checkbox");
}
