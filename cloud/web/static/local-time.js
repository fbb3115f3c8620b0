// @ts-check
// <local-time datetime="…Z" format="time|date|both|auto">: the reader's own time; UTC stays in the title.

import { locale } from "./words.js";

const styles = {
  time: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  date: { day: "numeric", month: "short", year: "numeric" },
  both: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
};

/** A style is made once: making one takes as long as drawing a row of a table. @type {Map<string, Intl.DateTimeFormat>} */
const made = new Map();

/** @param {object} style */
function format(style) {
  const key = JSON.stringify(style);
  if (!made.has(key)) made.set(key, new Intl.DateTimeFormat(locale, style));
  return /** @type {Intl.DateTimeFormat} */ (made.get(key));
}

class LocalTime extends HTMLElement {
  static observedAttributes = ["datetime", "format"];

  connectedCallback() {
    this.show();
  }

  /** @param {string} _name @param {string | null} before */
  attributeChangedCallback(_name, before) {
    if (before !== null && this.isConnected) this.show();
  }

  show() {
    const at = new Date(this.getAttribute("datetime") ?? "");
    if (Number.isNaN(at.getTime())) return;
    const asked = this.getAttribute("format") ?? "both";
    const today = new Date().toDateString() === at.toDateString();
    const style = asked === "auto" ? (today ? "time" : "both") : asked;
    const year = style === "both" && new Date().getFullYear() !== at.getFullYear() ? { year: "numeric" } : {};
    const text = format({ ...(/** @type {any} */ (styles)[style] ?? styles.both), ...year }).format(at);
    if (this.textContent !== text) this.textContent = text;
    if (!this.title) this.title = `${at.toISOString().replace("T", " ").slice(0, 19)} UTC`;
  }
}
customElements.define("local-time", LocalTime);
