// @ts-check
// What the modules say, in the page's language: English texts are the keys; the page brings the others with it.

const held = document.getElementById("words");
/** @type {Record<string, string>} */
const known = held ? JSON.parse(held.textContent ?? "{}") : {};
const language = document.documentElement.lang || "en";
/** For dates and clocks. */
export const locale = language === "en" ? "en-GB" : language;

/** A text in the page's language, {0} and so on filled. @param {string} text @param {...unknown} values */
export function t(text, ...values) {
  return (known[text] ?? text).replace(/\{(\d)\}/g, (whole, n) => (n in values ? String(values[n]) : whole));
}

/** A state or another name of the code in words: "On route". @param {string} value */
export function words(value) {
  const said = value.replaceAll("_", " ");
  return t(said.charAt(0).toUpperCase() + said.slice(1));
}

/** Words as they stand within a sentence: German keeps its capitals. @param {string} value */
export function inline(value) {
  return language === "en" ? words(value).toLowerCase() : words(value);
}
