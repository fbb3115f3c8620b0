// @ts-check
// <telemetry-strip>: the numbers of the flight shown, with two minutes behind each; one time cursor for all.

import { ago, ageSeconds, isShown, isStale } from "./live.js";
import { t, words } from "./words.js";

const KEEP_S = 120;
const FIX = [t("none"), t("none"), "2D", "3D", "DGPS", "RTK float", "RTK fixed"];
/** @type {{ id: string, label: string, unit: string, digits: number, spark?: number, value: (s: any) => number | string | null, extra?: (s: any) => string, low?: (s: any) => boolean }[]} */
const CELLS = [
  { id: "altitude", label: t("Above take-off"), unit: "m", digits: 1, spark: 4, value: (s) => s.alt_rel_m },
  { id: "speed", label: t("Speed"), unit: "m/s", digits: 1, spark: 1.5, value: (s) => s.speed_mps },
  { id: "battery", label: t("Battery"), unit: "%", digits: 0, spark: 6, value: (s) => s.battery_percent, extra: (s) => (s.battery_percent === null ? t("charge unknown") : s.battery_v === null ? "" : `${s.battery_v.toFixed(1)} V`), low: (s) => s.battery_percent !== null && s.battery_percent < 30 },
  { id: "link", label: t("Link"), unit: "%", digits: 0, spark: 20, value: (s) => s.link_percent, low: (s) => s.link_percent !== null && s.link_percent < 40 },
  { id: "gps", label: t("Position"), unit: "", digits: 0, value: (s) => FIX[s.gps_fix] ?? "?", extra: (s) => t("{0} sats", s.satellites), low: (s) => s.gps_fix < 3 },
  { id: "wind", label: t("Wind"), unit: "m/s", digits: 1, spark: 4, value: (s) => s.wind_mps, extra: (s) => (s.wind_from_deg === null ? "" : `${Math.round(s.wind_from_deg)}°`), low: (s) => s.wind_mps !== null && s.wind_mps > 10 },
  { id: "state", label: t("Aircraft"), unit: "", digits: 0, value: (s) => words(s.state) },
];

/** A number without a minus before zero. @param {number} value @param {number} digits */
function fixed(value, digits) {
  return value.toFixed(digits).replace(/^-(0(\.0+)?)$/, "$1");
}

class TelemetryStrip extends HTMLElement {
  /** @type {any[]} */ #samples = [];
  /** @type {any} */ #shown = null;

  connectedCallback() {
    if (!this.childElementCount) this.innerHTML = `<p class="nothing">${t("No telemetry of this flight yet.")}</p>`;
    document.body.addEventListener("kestrel:map", this.#onMap);
    document.body.addEventListener("kestrel:telemetry", this.#onSample);
    document.body.addEventListener("kestrel:age", this.#onAge);
    this.addEventListener("pointermove", this.#onMove);
    this.addEventListener("pointerleave", this.#onLeave);
  }

  disconnectedCallback() {
    document.body.removeEventListener("kestrel:map", this.#onMap);
    document.body.removeEventListener("kestrel:telemetry", this.#onSample);
    document.body.removeEventListener("kestrel:age", this.#onAge);
  }

  #onMap = (/** @type {any} */ event) => {
    this.#samples = event.detail.strip;
    if (this.#samples.length) this.#draw(this.#samples[this.#samples.length - 1]);
  };

  #onSample = (/** @type {any} */ event) => {
    const sample = event.detail;
    if (!isShown(sample)) return;
    this.#samples.push(sample);
    const oldest = Date.parse(sample.at) - KEEP_S * 1000;
    while (this.#samples.length && Date.parse(this.#samples[0].at) < oldest) this.#samples.shift();
    this.#draw(sample);
  };

  #onAge = () => {
    const newest = this.#samples[this.#samples.length - 1];
    if (!newest) return;
    this.classList.toggle("stale", isStale(newest));
    const label = this.querySelector('[data-id="state"] .label');
    if (label) label.textContent = `${t("Aircraft")}, ${ago(ageSeconds(newest))}`;
  };

  #onMove = (/** @type {PointerEvent} */ event) => {
    const cell = /** @type {Element} */ (event.target).closest(".cell");
    if (!cell || this.#samples.length < 2) return;
    const box = cell.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const start = Date.parse(this.#samples[0].at);
    const end = Date.parse(this.#samples[this.#samples.length - 1].at);
    const at = start + share * (end - start);
    const near = this.#samples.reduce((a, b) => (Math.abs(Date.parse(a.at) - at) < Math.abs(Date.parse(b.at) - at) ? a : b));
    this.#values(near);
    for (const line of this.querySelectorAll(".spark line")) {
      line.setAttribute("x1", String(100 * share));
      line.setAttribute("x2", String(100 * share));
      line.setAttribute("visibility", "visible");
    }
    document.body.dispatchEvent(new CustomEvent("kestrel:cursor", { detail: near }));
  };

  #onLeave = () => {
    for (const line of this.querySelectorAll(".spark line")) line.setAttribute("visibility", "hidden");
    if (this.#shown) this.#values(this.#shown);
    document.body.dispatchEvent(new CustomEvent("kestrel:cursor", { detail: null }));
  };

  /** @param {any} sample */
  #draw(sample) {
    if (!this.querySelector(".cell")) {
      this.innerHTML = CELLS.map(
        (c) => `<div class="cell" data-id="${c.id}"><div class="label">${c.label}</div><div class="value${c.unit ? "" : " word"}">–</div>` +
          (c.spark ? '<svg class="spark" viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true"><path d=""/><line y1="0" y2="30" visibility="hidden"/></svg>' : "") + "</div>",
      ).join("");
    }
    this.#shown = sample;
    this.#values(sample);
    for (const cell of CELLS) if (cell.spark) this.querySelector(`[data-id="${cell.id}"] path`)?.setAttribute("d", this.#path(cell));
    this.#onAge();
  }

  /** @param {any} sample */
  #values(sample) {
    for (const cell of CELLS) {
      const box = this.querySelector(`[data-id="${cell.id}"]`);
      const shown = box?.querySelector(".value");
      if (!box || !shown) continue;
      const value = cell.value(sample);
      const text = value === null ? "–" : typeof value === "number" ? fixed(value, cell.digits) : value.charAt(0).toUpperCase() + value.slice(1);
      shown.textContent = text + " ";
      const small = document.createElement("small");
      small.textContent = [value === null ? "" : cell.unit, cell.extra?.(sample)].filter(Boolean).join(" · ");
      shown.append(small);
      box.classList.toggle("low", Boolean(cell.low?.(sample)));
      box.classList.toggle("untold", value === null && small.textContent !== "");
    }
  }

  /** @param {typeof CELLS[number]} cell */
  #path(cell) {
    const points = this.#samples.map((s) => [Date.parse(s.at), cell.value(s)]).filter((p) => typeof p[1] === "number");
    if (points.length < 2) return "";
    const [t0, t1] = [Number(points[0][0]), Number(points[points.length - 1][0])];
    const values = points.map((p) => Number(p[1]));
    // Noise of an aircraft at rest stays flat: the range has a least width.
    const span = Math.max(Math.max(...values) - Math.min(...values), cell.spark ?? 1);
    const low = (Math.min(...values) + Math.max(...values) - span) / 2;
    let before = 0;
    return points
      .map(([t, v]) => {
        const gap = Number(t) - before > 4000;
        before = Number(t);
        return `${gap ? "M" : "L"}${((100 * (Number(t) - t0)) / (t1 - t0 || 1)).toFixed(2)} ${(27 - (24 * (Number(v) - low)) / span).toFixed(2)}`;
      })
      .join("");
  }
}
customElements.define("telemetry-strip", TelemetryStrip);
