// @ts-check
// <rotor-view>: the turbine seen from upwind, true to scale, with route, trail, aircraft and findings.

import { isShown, isStale, latest, unbroken } from "./live.js";
import { t } from "./words.js";

const NS = "http://www.w3.org/2000/svg";
const METRES_PER_DEGREE = 111_319.5;

/** @param {string} name @param {Record<string, string | number>} attributes */
function svg(name, attributes) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

class RotorView extends HTMLElement {
  /** @type {any} */ #data = null;
  /** @type {number[][]} */ #trail = [];
  /** @type {SVGElement | null} */ #aircraft = null;
  /** @type {SVGElement | null} */ #line = null;

  connectedCallback() {
    document.body.addEventListener("kestrel:map", this.#onMap);
    document.body.addEventListener("kestrel:telemetry", this.#onSample);
    document.body.addEventListener("kestrel:age", this.#onAge);
    document.body.addEventListener("kestrel:finding", this.#onFinding);
  }

  disconnectedCallback() {
    document.body.removeEventListener("kestrel:map", this.#onMap);
    document.body.removeEventListener("kestrel:telemetry", this.#onSample);
    document.body.removeEventListener("kestrel:age", this.#onAge);
    document.body.removeEventListener("kestrel:finding", this.#onFinding);
  }

  #onFinding = () => {
    clearTimeout(this.#later);
    this.#later = window.setTimeout(async () => (await import("./live.js")).fetchMap(), 600);
  };
  #later = 0;

  #onMap = (/** @type {any} */ event) => {
    this.#data = event.detail.rotor;
    if (!this.#data) {
      this.innerHTML = `<p class="none">${t("The rotor is drawn here when a turbine is being inspected.")}</p>`;
      return;
    }
    this.#trail = event.detail.trail;
    this.#draw();
    const own = latest.get(event.detail.drone);
    if (own && isShown(own)) this.#move(own);
  };

  #onSample = (/** @type {any} */ event) => {
    if (!this.#data || !isShown(event.detail)) return;
    this.#move(event.detail);
  };

  #onAge = () => {
    const drone = /** @type {any} */ (window).kestrelMap?.drone;
    this.#aircraft?.classList.toggle("stale", isStale(latest.get(drone)));
  };

  /** Metres to the right of the tower as one faces the rotor, metres above its foot. @returns {[number, number]} */
  #place(/** @type {number} */ lat, /** @type {number} */ lon, /** @type {number} */ alt) {
    const foot = this.#data.foot;
    const north = (lat - foot.lat_deg) * METRES_PER_DEGREE;
    const east = (lon - foot.lon_deg) * METRES_PER_DEGREE * Math.cos((foot.lat_deg * Math.PI) / 180);
    const yaw = (this.#data.yaw_deg * Math.PI) / 180;
    return [-Math.cos(yaw) * east + Math.sin(yaw) * north, alt - foot.alt_m];
  }

  #draw() {
    const d = this.#data;
    const tips = d.blades.flatMap((/** @type {any} */ b) => b.outline);
    const reach = Math.max(...tips.map((/** @type {number[]} */ p) => Math.abs(p[0])), 10) + 12;
    const top = Math.max(...tips.map((/** @type {number[]} */ p) => p[1])) + 12;
    const root = svg("svg", { viewBox: `${-reach} ${-top} ${2 * reach} ${top + 5}`, preserveAspectRatio: "xMidYMid meet", role: "img" });
    root.append(svg("title", {}));
    root.firstElementChild && (root.firstElementChild.textContent = t("Rotor seen from upwind with route, aircraft and findings"));
    root.append(svg("line", { class: "ground", x1: -4 * reach, x2: 4 * reach, y1: 0, y2: 0 }));
    const [base, head] = d.tower_m;
    root.append(svg("path", { class: "tower", d: `M${-base} 0L${-head} ${-d.hub_m}H${head}L${base} 0z` }));
    for (const blade of d.blades) {
      root.append(svg("path", { class: "blade", d: "M" + blade.outline.map((/** @type {number[]} */ p) => `${p[0]} ${-p[1]}`).join("L") + "z" }));
    }
    root.append(svg("circle", { class: "nacelle", r: d.nacelle_m, cx: 0, cy: -d.hub_m }));
    for (const blade of d.blades) {
      const tip = [(blade.outline[1][0] + blade.outline[2][0]) / 2, (blade.outline[1][1] + blade.outline[2][1]) / 2];
      const away = Math.hypot(tip[0], tip[1] - d.hub_m);
      const name = svg("text", { class: "blade-name", x: tip[0] * (1 + 4 / away), y: -(tip[1] + ((tip[1] - d.hub_m) * 4) / away) });
      name.textContent = blade.blade;
      root.append(name);
    }
    root.append(svg("polyline", { class: "route", points: d.route.map((/** @type {number[]} */ p) => `${p[0]},${-p[1]}`).join(" ") }));
    this.#line = /** @type {SVGElement} */ (svg("path", { class: "trail" }));
    root.append(this.#line);
    for (const f of d.findings) {
      const dot = svg("svg", { x: f.at[0], y: -f.at[1], overflow: "visible", class: `dot s${f.rank}`, "data-finding": f.finding_id });
      dot.append(svg("title", {}), svg("use", { href: `#sev-${f.rank}`, x: -1.9, y: -1.9, width: 3.8, height: 3.8 }));
      if (dot.firstElementChild) dot.firstElementChild.textContent = `F-${f.number}`;
      root.append(dot);
    }
    this.#aircraft = /** @type {SVGElement} */ (svg("circle", { class: "aircraft", r: 1.5, visibility: "hidden" }));
    root.append(this.#aircraft);
    const caption = document.createElement("span");
    caption.className = "caption";
    caption.textContent = t("From upwind");
    this.replaceChildren(caption, root);
  }

  /** @param {any} sample */
  #move(sample) {
    const [x, y] = this.#place(sample.lat_deg, sample.lon_deg, sample.alt_m);
    this.#aircraft?.setAttribute("cx", x.toFixed(2));
    this.#aircraft?.setAttribute("cy", (-y).toFixed(2));
    this.#aircraft?.setAttribute("visibility", "visible");
    this.#aircraft?.classList.toggle("stale", isStale(sample));
    const runs = unbroken(this.#trail).map((run) => "M" + run.map((p) => this.#place(p[1], p[0], p[2])).map((p) => `${p[0].toFixed(2)} ${(-p[1]).toFixed(2)}`).join("L"));
    this.#line?.setAttribute("d", runs.join(""));
  }
}
customElements.define("rotor-view", RotorView);
