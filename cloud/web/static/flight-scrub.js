// @ts-check
// <flight-scrub src="…/axis.json">: one time for everything: the range moves the video, the nearest crop, the place on
// the track, a cursor on the lanes and on every telemetry plot. A click on a plot sets the time too.

import "./room.js";
import { locale, t } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const PLOTS = [[t("Above home"), "m", 3], [t("Speed"), "m/s", 4], [t("Battery"), "%", 5], [t("Link"), "%", 6]];
const GAP_S = 3;
const NEAR_S = 12;

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
function draw(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text) made.textContent = text;
  return made;
}

class FlightScrub extends HTMLElement {
  /** @type {any} */ #axis = null;
  #at = 0;
  #segment = "";
  #playing = 0;

  /** The cursor stands over the lanes, and not over the legend, which takes several lines on a phone. */
  #laid = new ResizeObserver(([around]) => {
    const lanes = around.target.querySelector(".lanes");
    const top = (lanes?.getBoundingClientRect().top ?? 0) - around.target.getBoundingClientRect().top;
    if (lanes) /** @type {HTMLElement} */ (around.target).style.setProperty("--top", `${top}px`);
  });

  connectedCallback() {
    this.#laid.observe(/** @type {HTMLElement} */ (this.querySelector(".scrub-lanes")));
    this.#range().addEventListener("input", () => this.#go((Number(this.#range().value) / 1000) * this.#axis.length_s));
    this.querySelector("[data-play]")?.addEventListener("click", () => this.#play());
    this.addEventListener("click", (event) => {
      const plot = /** @type {Element} */ (event.target).closest(".scrub-plots svg");
      if (!plot || !this.#axis) return;
      const box = plot.getBoundingClientRect();
      this.#go(((/** @type {MouseEvent} */ (event).clientX - box.left) / box.width) * this.#axis.length_s);
    });
    this.querySelector("video")?.addEventListener("error", () => this.#noVideo(t("The video of this segment cannot be played here. The nearest finding and the track go on.")));
    document.body.addEventListener("kestrel:tick", () => this.#load());
    this.#load();
  }

  disconnectedCallback() {
    clearInterval(this.#playing);
    this.#laid.disconnect();
  }

  #range() {
    return /** @type {HTMLInputElement} */ (this.querySelector("[data-scrub]"));
  }

  /** @param {string} name @param {string} text */
  #say(name, text) {
    const box = this.querySelector(`[data-said="${name}"]`);
    if (box && box.textContent !== text) box.textContent = text;
  }

  async #load() {
    const answer = await fetch(this.getAttribute("src") ?? "", { headers: { Accept: "application/json" } });
    if (!answer.ok) return this.#say("video", t("The flight's data cannot be read now."));
    const first = this.#axis === null;
    this.#axis = await answer.json();
    if (!this.#axis.length_s) return this.#say("video", t("Nothing has happened yet."));
    this.classList.remove("nothing");
    this.#drawTrack();
    this.#drawPlots();
    this.#go(first ? (this.#axis.findings[0]?.at ?? this.#axis.segments[0]?.at ?? this.#axis.length_s / 2) : this.#at);
    this.dataset.ready = "1";
  }

  #drawTrack() {
    const track = /** @type {SVGSVGElement} */ (this.querySelector(".track"));
    const places = [...this.#axis.route.map((/** @type {number[]} */ p) => [p[0], -p[1]]), ...this.#axis.samples.map((/** @type {number[]} */ s) => [s[1], -s[2]])];
    if (!places.length) return;
    const xs = places.map((p) => p[0]);
    const ys = places.map((p) => p[1]);
    const pad = Math.max(5, 0.08 * Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys)));
    track.setAttribute("viewBox", `${Math.min(...xs) - pad} ${Math.min(...ys) - pad} ${Math.max(...xs) - Math.min(...xs) + 2 * pad} ${Math.max(...ys) - Math.min(...ys) + 2 * pad}`);
    const line = (/** @type {number[][]} */ points, /** @type {string} */ style) => draw("polyline", { class: style, points: points.map((p) => `${p[0]},${p[1]}`).join(" ") });
    const runs = this.#runs().map((run) => line(run.map((s) => [s[1], -s[2]]), "flown"));
    track.replaceChildren(line(this.#axis.route.map((/** @type {number[]} */ p) => [p[0], -p[1]]), "wanted"), ...runs, draw("path", { class: "here", d: "M0 0h0" }));
  }

  /** Samples in runs without gaps: of those that tell a column. @param {number} column @returns {number[][][]} */
  #runs(column = 0) {
    /** @type {number[][][]} */
    const runs = [];
    const samples = /** @type {number[][]} */ (this.#axis.samples).filter((sample) => sample[column] !== null);
    samples.forEach((sample, i) => {
      if (i === 0 || sample[0] - samples[i - 1][0] > Math.max(GAP_S, 4 * (this.#axis.length_s / samples.length))) runs.push([]);
      runs[runs.length - 1].push(sample);
    });
    return runs;
  }

  #drawPlots() {
    const box = /** @type {HTMLElement} */ (this.querySelector(".scrub-plots"));
    box.replaceChildren(...PLOTS.map(([title, unit, column]) => {
      const values = this.#axis.samples.map((/** @type {any[]} */ s) => s[/** @type {number} */ (column)]).filter((/** @type {any} */ v) => v !== null);
      const low = Math.min(0, ...values);
      const high = Math.max(...values, low + 1) * 1.08;
      const row = document.createElement("div");
      const name = document.createElement("span");
      name.textContent = String(title);
      const plot = draw("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img", "aria-label": `${title} in ${unit}, from ${values.length ? Math.min(...values) : "none"} to ${values.length ? Math.max(...values) : "none"}` });
      for (const run of this.#runs(/** @type {number} */ (column))) {
        const points = run.map((s) => `${((1000 * s[0]) / this.#axis.length_s).toFixed(1)},${(100 - (100 * (s[/** @type {number} */ (column)] - low)) / (high - low)).toFixed(1)}`);
        plot.append(draw("polyline", { points: points.join(" ") }));
      }
      plot.append(draw("line", { class: "cursor-line", y1: 0, y2: 100 }));
      const value = document.createElement("b");
      value.className = "nums";
      value.dataset.column = String(column);
      value.dataset.unit = String(unit);
      name.append(value);
      row.append(name, plot);
      return row;
    }));
  }

  /** Move everything to a time. @param {number} seconds */
  #go(seconds) {
    const axis = this.#axis;
    this.#at = Math.min(axis.length_s, Math.max(0, seconds));
    const share = this.#at / axis.length_s;
    this.#range().value = String(Math.round(1000 * share));
    const at = new Date(Date.parse(axis.start) + 1000 * this.#at);
    const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(at);
    this.#say("time", clock);
    this.#range().setAttribute("aria-valuetext", clock);
    /** @type {HTMLElement} */ (this.querySelector("[data-said=time]")).title = `${at.toISOString().replace("T", " ").slice(0, 19)} UTC`;
    /** @type {HTMLElement} */ (this.querySelector(".scrub-lanes")).style.setProperty("--share", String(share));
    for (const line of this.querySelectorAll(".cursor-line")) line.setAttribute("transform", `translate(${(1000 * share).toFixed(1)} 0)`);
    this.#place();
    this.#crop();
    this.#video();
  }

  #place() {
    const samples = /** @type {number[][]} */ (this.#axis.samples);
    const next = samples.findIndex((s) => s[0] >= this.#at);
    const near = [samples[next], samples[next - 1], samples[samples.length - 1]].filter(Boolean).sort((a, b) => Math.abs(a[0] - this.#at) - Math.abs(b[0] - this.#at))[0];
    const known = near && Math.abs(near[0] - this.#at) <= GAP_S;
    const here = this.querySelector(".track .here");
    if (near && here) here.setAttribute("d", `M${near[1]} ${-near[2]}h0`);
    here?.classList.toggle("stale", !known);
    this.#say("place", known ? t("{0} m up, heading {1}°", near[3], near[7]) : t("no telemetry here"));
    for (const value of /** @type {NodeListOf<HTMLElement>} */ (this.querySelectorAll("[data-column]"))) {
      const number = known ? near[Number(value.dataset.column)] : null;
      value.textContent = number === null ? "–" : `${number} ${value.dataset.unit}`;
    }
  }

  #crop() {
    const near = [...this.#axis.findings].sort((a, b) => Math.abs(a.at - this.#at) - Math.abs(b.at - this.#at))[0];
    const link = /** @type {HTMLAnchorElement} */ (this.querySelector("[data-crop]"));
    const close = near && Math.abs(near.at - this.#at) <= NEAR_S;
    link.hidden = !close;
    /** @type {HTMLElement} */ (this.querySelector("[data-said=crop]")).hidden = close;
    if (!close) {
      this.#say("finding", "–");
      return this.#say("crop", this.#axis.findings.length ? t("No finding within {0} s.", NEAR_S) : t("No finding with a picture."));
    }
    this.#say("finding", near.at > this.#at ? t("{0}, {1} s ahead", near.title, (near.at - this.#at).toFixed(1)) : t("{0}, {1} s ago", near.title, (this.#at - near.at).toFixed(1)));
    if (link.dataset.finding === near.id && link.dataset.shown === near.evidence) return;
    link.href = `/?finding=${near.id}`;
    link.dataset.finding = near.id;
    link.dataset.shown = near.evidence;
    const image = /** @type {HTMLImageElement} */ (link.querySelector("img"));
    image.src = `/pictures/${near.evidence}/crop.jpg`;
    image.alt = t("Crop of {0}", near.title);
  }

  #video() {
    const video = /** @type {HTMLVideoElement} */ (this.querySelector("video"));
    const segment = this.#axis.segments.find((/** @type {any} */ s) => s.at <= this.#at && this.#at < s.at + s.length_s);
    if (!segment) {
      this.#segment = "";
      this.#say("segment", "–");
      return this.#noVideo(t("Nothing was recorded at this time, or it has not arrived."));
    }
    const into = this.#at - segment.at;
    this.#say("segment", t("segment {0}, {1} s", Number(segment.id.slice(-5)), into.toFixed(1)));
    if (this.#segment !== segment.id) {
      this.#segment = segment.id;
      video.src = `/v1/media/${encodeURIComponent(segment.id)}/video`;
      video.hidden = false;
      /** @type {HTMLElement} */ (this.querySelector("[data-said=video]")).hidden = true;
    }
    if (Math.abs(video.currentTime - into) > 0.04) video.currentTime = into;
  }

  /** @param {string} why */
  #noVideo(why) {
    const video = /** @type {HTMLVideoElement} */ (this.querySelector("video"));
    video.hidden = true;
    /** @type {HTMLElement} */ (this.querySelector("[data-said=video]")).hidden = false;
    this.#say("video", why);
  }

  #play() {
    const button = /** @type {HTMLElement} */ (this.querySelector("[data-play]"));
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? t("Stop") : t("Play");
    clearInterval(this.#playing);
    if (on) this.#playing = window.setInterval(() => (this.#at >= this.#axis.length_s ? this.#play() : this.#go(this.#at + 0.5)), 250);
  }
}
customElements.define("flight-scrub", FlightScrub);
