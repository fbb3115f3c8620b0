// @ts-check
// <drone-map src>: site, turbines, route, trail and drones on a metric grid. No tile, no glyph, no other host.

import { Map as GlMap, Marker } from "./vendor/maplibre-gl/maplibre-gl.mjs";
import { ago, ageSeconds, isShown, isStale, latest, unbroken } from "./live.js";
import { inline, t } from "./words.js";

const METRES_PER_DEGREE = 111_319.5;
const dark = matchMedia("(prefers-color-scheme: dark)");
const LOW_BATTERY = 30;
/** The ring of a battery whose charge is not told: dots. */
const UNKNOWN = "0.1 6";

/** The charge in words. @param {any} sample */
function charge(sample) {
  return sample.battery_percent === null ? t("charge unknown") : t("battery {0} %", Math.round(sample.battery_percent));
}
const RING = 2 * Math.PI * 19;

/** What an asset's worst live finding looks like, as everywhere (_symbols.html); a ring with a tick where there is none. */
const SHAPES = [
  "M5 0A5 5 0 1 1-5 0 5 5 0 1 1 5 0zM-2.4.2-.6 2 2.6-1.8", "M5 0A5 5 0 1 1-5 0 5 5 0 1 1 5 0z", "M-4.8-4.8h9.6v9.6h-9.6z",
  "M0-6.6 6.6 0 0 6.6-6.6 0z", "M0-6.6 6.8 5.6H-6.8z", "M-2.9-7H2.9L7-2.9V2.9L2.9 7H-2.9L-7 2.9V-2.9z",
];
const SHAPE_PX = 40;

/** @param {string} name */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A place some metres east and north of another. @param {{lat_deg: number, lon_deg: number}} at @param {number} east @param {number} north */
function moved(at, east, north) {
  return [at.lon_deg + east / (METRES_PER_DEGREE * Math.cos((at.lat_deg * Math.PI) / 180)), at.lat_deg + north / METRES_PER_DEGREE];
}

/** @param {any} at @param {number} radius */
function circle(at, radius) {
  return Array.from({ length: 73 }, (_, i) => moved(at, radius * Math.sin((i * Math.PI) / 36), radius * Math.cos((i * Math.PI) / 36)));
}

/** @param {any} geometry @param {any} [properties] */
const feature = (geometry, properties = {}) => ({ type: "Feature", geometry, properties });
/** @param {any[]} features */
const collection = (features) => ({ type: "FeatureCollection", features });
/** @param {any[]} coordinates */
const line = (coordinates) => ({ type: "LineString", coordinates });

class DroneMap extends HTMLElement {
  /** @type {any} */ #map = null;
  /** @type {any} */ #data = null;
  /** @type {Map<string, any>} */ #drones = new Map();
  /** @type {any[]} */ #trail = [];
  #follow = false;
  #ready = false;

  connectedCallback() {
    document.body.addEventListener("kestrel:map", this.#onMap);
    document.body.addEventListener("kestrel:telemetry", this.#onSample);
    document.body.addEventListener("kestrel:age", this.#onAge);
    document.body.addEventListener("kestrel:cursor", this.#onCursor);
    dark.addEventListener("change", this.#onTheme);
    if (/** @type {any} */ (window).kestrelMap) this.#onMap({ detail: /** @type {any} */ (window).kestrelMap });
  }

  disconnectedCallback() {
    document.body.removeEventListener("kestrel:map", this.#onMap);
    document.body.removeEventListener("kestrel:telemetry", this.#onSample);
    document.body.removeEventListener("kestrel:age", this.#onAge);
    document.body.removeEventListener("kestrel:cursor", this.#onCursor);
    dark.removeEventListener("change", this.#onTheme);
    this.#map?.remove();
    this.#map = null;
  }

  #onMap = (/** @type {any} */ event) => {
    this.#data = event.detail;
    this.#trail = this.#data.trail;
    if (!this.#data.site) {
      this.innerHTML = `<p class="failed">${t("No site is registered yet.")}</p>`;
      return;
    }
    if (!this.#map) this.#create();
    else if (this.#ready) this.#fill();
    for (const drone of this.#data.drones) if (drone.last) this.#place(drone.last);
    this.#table();
  };

  #create() {
    const home = this.#data.site.home;
    this.replaceChildren();
    const box = document.createElement("div");
    this.append(box);
    const style = { version: 8, sources: {}, layers: [{ id: "ground", type: "background", paint: { "background-color": colour("--map") } }] };
    try {
      this.#map = new GlMap({
        container: box, style: /** @type {any} */ (style), center: [home.lon_deg, home.lat_deg], zoom: 15, maxZoom: 21, minZoom: 9,
        attributionControl: false, fadeDuration: 0, dragRotate: false, pitchWithRotate: false,
      });
    } catch {
      this.innerHTML = `<p class="failed">${t("This browser has no WebGL, so the map cannot be drawn. The table below lists the same things.")}</p>`;
      return;
    }
    this.#map.touchZoomRotate.disableRotation();
    this.#map.getCanvas().setAttribute("aria-label", t("Map; the table below lists the same things"));
    this.#map.on("load", () => {
      this.#layers();
      this.#ready = true;
      this.#fill();
      this.#fit();
      this.dataset.ready = "1";
    });
    this.#map.on("move", () => this.#scale());
    this.#map.on("dragstart", () => this.#setFollow(false));
    this.#tools();
  }

  #tools() {
    const tools = document.createElement("div");
    tools.className = "tools";
    for (const [text, label, act] of /** @type {[string, string, () => void][]} */ ([
      ["+", t("Zoom in"), () => this.#map.zoomIn()], ["−", t("Zoom out"), () => this.#map.zoomOut()], [t("Fit"), t("Fit the whole flight"), () => this.#fit()],
      [t("Follow"), t("Follow the drone"), () => this.#setFollow(!this.#follow)],
    ])) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.setAttribute("aria-label", label);
      if (text === t("Follow")) {
        button.setAttribute("aria-pressed", "false");
        button.dataset.follow = "1";
      }
      button.addEventListener("click", act);
      tools.append(button);
    }
    const scale = document.createElement("div");
    scale.className = "scale";
    this.append(tools, scale);
  }

  /** @param {boolean} on */
  #setFollow(on) {
    this.#follow = on && !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.querySelector("[data-follow]")?.setAttribute("aria-pressed", String(this.#follow));
  }

  /** Draw the shapes in the theme's colours: on the map health is told by shape first. */
  #shapes() {
    SHAPES.forEach((shape, rank) => {
      const canvas = Object.assign(document.createElement("canvas"), { width: SHAPE_PX, height: SHAPE_PX });
      const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
      pen.setTransform(2, 0, 0, 2, SHAPE_PX / 2, SHAPE_PX / 2);
      pen.lineJoin = "round";
      const drawn = new Path2D(shape);
      pen.strokeStyle = colour("--card");
      pen.lineWidth = 4;
      pen.stroke(drawn);
      pen.fillStyle = rank ? colour(`--s${rank}`) : colour("--card");
      pen.fill(drawn);
      pen.strokeStyle = rank ? pen.fillStyle : colour("--good");
      pen.lineWidth = rank ? 0.5 : 1.7;
      pen.stroke(drawn);
      const image = pen.getImageData(0, 0, SHAPE_PX, SHAPE_PX);
      if (this.#map.hasImage(`worst-${rank}`)) this.#map.updateImage(`worst-${rank}`, image);
      else this.#map.addImage(`worst-${rank}`, image, { pixelRatio: 2 });
    });
  }

  #layers() {
    const map = this.#map;
    this.#shapes();
    for (const id of ["grid", "rings", "fence", "route", "waypoints", "trail", "rotors", "assets", "home", "cursor"]) {
      map.addSource(id, { type: "geojson", data: collection([]) });
    }
    const ink = colour("--quiet");
    const accent = colour("--accent");
    map.addLayer({ id: "grid", type: "line", source: "grid", paint: { "line-color": colour("--line-strong"), "line-opacity": ["get", "opacity"], "line-width": 1 } });
    map.addLayer({ id: "rings", type: "line", source: "rings", paint: { "line-color": ink, "line-opacity": 0.28, "line-width": 1 } });
    map.addLayer({ id: "ring-names", type: "symbol", source: "rings", layout: { "symbol-placement": "line", "text-field": ["get", "name"], "text-size": 10.5, "text-font": ["Inter"], "symbol-spacing": 600 }, paint: { "text-color": ink, "text-halo-color": colour("--map"), "text-halo-width": 2 } });
    map.addLayer({ id: "fence", type: "line", source: "fence", paint: { "line-color": colour("--s4"), "line-opacity": 0.6, "line-width": 1.4, "line-dasharray": [5, 3] } });
    map.addLayer({ id: "route", type: "line", source: "route", layout: { "line-join": "round" }, paint: { "line-color": ink, "line-opacity": 0.75, "line-width": 1.5, "line-dasharray": [2.5, 2] } });
    map.addLayer({ id: "waypoints", type: "circle", source: "waypoints", minzoom: 16, paint: { "circle-radius": 2.4, "circle-color": colour("--card"), "circle-stroke-color": ink, "circle-stroke-width": 1.2 } });
    map.addLayer({ id: "rotors", type: "line", source: "rotors", layout: { "line-cap": "round" }, paint: { "line-color": colour("--ink"), "line-width": ["interpolate", ["linear"], ["zoom"], 13, 1.5, 18, 5], "line-opacity": 0.82 } });
    map.addLayer({ id: "trail", type: "line", source: "trail", layout: { "line-join": "round", "line-cap": "round" }, paint: { "line-color": accent, "line-width": 2.6, "line-opacity": 0.85 } });
    map.addLayer({ id: "assets", type: "symbol", source: "assets", layout: { "icon-image": ["get", "shape"], "icon-size": ["interpolate", ["linear"], ["zoom"], 12, 0.8, 18, 1.5], "icon-allow-overlap": true, "icon-ignore-placement": true, "symbol-sort-key": ["get", "worst"] } });
    map.addLayer({ id: "asset-names", type: "symbol", source: "assets", layout: { "text-field": ["get", "label"], "text-size": 12, "text-font": ["Inter"], "text-radial-offset": 1.1, "text-variable-anchor": ["left", "top", "right"], "text-justify": "auto", "text-allow-overlap": true }, paint: { "text-color": colour("--ink"), "text-halo-color": colour("--map"), "text-halo-width": 1.8 } });
    map.addLayer({ id: "home", type: "symbol", source: "home", layout: { "text-field": "H", "text-size": 11, "text-font": ["Inter"], "text-allow-overlap": true }, paint: { "text-color": ink, "text-halo-color": colour("--card"), "text-halo-width": 7 } });
    map.addLayer({ id: "cursor", type: "circle", source: "cursor", paint: { "circle-radius": 5, "circle-color": colour("--card"), "circle-stroke-color": accent, "circle-stroke-width": 2 } });
  }

  #fill() {
    const { site, assets, route } = this.#data;
    /** @param {string} id @param {any[]} features */
    const set = (id, features) => this.#map.getSource(id)?.setData(collection(features));
    const reach = 3000;
    const grid = [];
    for (let m = -reach; m <= reach; m += 100) {
      const opacity = m % 500 === 0 ? 0.55 : 0.28;
      grid.push(feature(line([moved(site.home, m, -reach), moved(site.home, m, reach)]), { opacity }), feature(line([moved(site.home, -reach, m), moved(site.home, reach, m)]), { opacity }));
    }
    set("grid", grid);
    set("rings", [250, 500, 1000, 2000].map((r) => feature(line(circle(site.home, r)), { name: r < 1000 ? `${r} m` : `${r / 1000} km` })));
    set("home", [feature({ type: "Point", coordinates: [site.home.lon_deg, site.home.lat_deg] })]);
    set("fence", route ? [feature(line(circle(route.fence, route.fence.radius_m)))] : []);
    set("route", route ? [feature(line(route.waypoints.map((/** @type {number[]} */ w) => [w[0], w[1]])))] : []);
    set("waypoints", route ? route.waypoints.map((/** @type {number[]} */ w) => feature({ type: "Point", coordinates: [w[0], w[1]] })) : []);
    this.#drawTrail();
    const drawn = assets.filter((/** @type {any} */ a) => a.lat_deg !== undefined);
    set("assets", drawn.map((/** @type {any} */ a) => feature({ type: "Point", coordinates: [a.lon_deg, a.lat_deg] }, { label: a.name, shape: `worst-${a.worst_rank}`, worst: a.worst_rank })));
    set("rotors", drawn.flatMap((/** @type {any} */ a) => this.#outline(a)));
  }

  /** What an asset is from above: the rotor, a line across the wind with the nacelle along it; a line or pipe as it runs. @param {any} asset */
  #outline(asset) {
    if (asset.line) return asset.line.length > 2 ? [feature(line(asset.line))] : [];
    const yaw = (asset.yaw_deg * Math.PI) / 180;
    const [e, n, r] = [Math.sin(yaw), Math.cos(yaw), asset.rotor_radius_m];
    const hub = [4 * e, 4 * n];
    return [
      feature(line([moved(asset, hub[0] - r * n, hub[1] + r * e), moved(asset, hub[0] + r * n, hub[1] - r * e)])),
      feature(line([moved(asset, hub[0], hub[1]), moved(asset, -asset.nacelle_length_m * e, -asset.nacelle_length_m * n)])),
    ];
  }

  #drawTrail() {
    const runs = unbroken(this.#trail).map((run) => run.map((p) => [p[0], p[1]]));
    this.#map.getSource("trail").setData(feature({ type: "MultiLineString", coordinates: runs.filter((run) => run.length > 1) }));
  }

  #fit() {
    const points = this.#data.route ? this.#data.route.waypoints : this.#data.assets.filter((/** @type {any} */ a) => a.lon_deg !== undefined).map((/** @type {any} */ a) => [a.lon_deg, a.lat_deg]);
    const home = this.#data.site.home;
    const subject = this.#data.assets.filter((/** @type {any} */ a) => a.lat_deg !== undefined && (!this.#data.asset || a.asset_id === this.#data.asset));
    const tips = subject.flatMap((/** @type {any} */ a) => a.line ?? [-1, 1].flatMap((k) => [moved(a, k * a.rotor_radius_m, 0), moved(a, 0, k * a.rotor_radius_m)]));
    const all = [...points, ...tips, [home.lon_deg, home.lat_deg]];
    const lons = all.map((p) => p[0]);
    const lats = all.map((p) => p[1]);
    this.#map.fitBounds([[Math.min(...lons), Math.min(...lats)], [Math.max(...lons), Math.max(...lats)]], { padding: { top: 50, bottom: 60, left: 60, right: 110 }, maxZoom: 18, animate: false });
    this.#scale();
  }

  #scale() {
    const box = /** @type {HTMLElement | null} */ (this.querySelector(".scale"));
    if (!box || !this.#map) return;
    const metres = (40_075_016.7 * Math.cos((this.#map.getCenter().lat * Math.PI) / 180)) / (512 * 2 ** this.#map.getZoom());
    const nice = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((m) => m / metres > 50) ?? 10_000;
    box.style.width = `${nice / metres}px`;
    box.textContent = nice < 1000 ? `${nice} m` : `${nice / 1000} km`;
  }

  #onSample = (/** @type {any} */ event) => {
    const sample = event.detail;
    if (!this.#data?.site) return;
    this.#place(sample);
    if (sample.flight_id === this.#data.flight && this.#ready) this.#drawTrail();
    if (this.#follow && isShown(sample)) this.#map.easeTo({ center: [sample.lon_deg, sample.lat_deg], duration: 400 });
    this.#table();
  };

  /** @param {any} sample */
  #place(sample) {
    if (!this.#map) return;
    let marker = this.#drones.get(sample.drone_id);
    if (!marker) {
      const name = this.#data.drones.find((/** @type {any} */ d) => d.drone_id === sample.drone_id)?.name ?? sample.drone_id;
      const box = document.createElement("div");
      box.className = "drone";
      box.dataset.drone = sample.drone_id;
      box.innerHTML =
        '<svg viewBox="-27 -27 54 54" aria-hidden="true"><path class="view" d="M0 0-15-44H15z"/><circle class="ring-bg" r="19"/><circle class="ring" r="19" transform="rotate(-90)"/><g class="heading"><path class="body" d="M0-12 8.5 10 0 5.5-8.5 10z"/></g></svg><span class="drone-label"></span>';
      box.setAttribute("role", "img");
      box.dataset.name = name;
      marker = new Marker({ element: box, anchor: "center" }).setLngLat([sample.lon_deg, sample.lat_deg]).addTo(this.#map);
      this.#drones.set(sample.drone_id, marker);
    }
    marker.setLngLat([sample.lon_deg, sample.lat_deg]);
    const box = marker.getElement();
    box.querySelector(".heading").setAttribute("transform", `rotate(${sample.yaw_deg})`);
    box.querySelector(".view").setAttribute("transform", `rotate(${sample.gimbal_yaw_deg})`);
    const ring = box.querySelector(".ring");
    const told = sample.battery_percent !== null;
    ring.setAttribute("stroke-dasharray", told ? `${(RING * sample.battery_percent) / 100} ${RING}` : UNKNOWN);
    ring.classList.toggle("low", told && sample.battery_percent < LOW_BATTERY);
    ring.classList.toggle("unknown", !told);
    this.#label(box, sample);
  }

  /** @param {HTMLElement} box @param {any} sample */
  #label(box, sample) {
    const stale = isStale(sample);
    box.classList.toggle("stale", stale);
    const battery = sample.battery_percent === null ? t("charge unknown") : `${Math.round(sample.battery_percent)} %`;
    const text = [box.dataset.name, stale ? ago(ageSeconds(sample)) : `${Math.round(sample.alt_rel_m)} m`, battery].join(" · ");
    const label = box.querySelector(".drone-label");
    if (label && label.textContent !== text) label.textContent = text;
    box.setAttribute("aria-label", `${box.dataset.name}, ${charge(sample)}` + (stale ? t(", position is old") : ""));
  }

  #onAge = () => {
    for (const [id, marker] of this.#drones) {
      const sample = latest.get(id);
      if (sample) this.#label(marker.getElement(), sample);
    }
    this.#table();
  };

  #onCursor = (/** @type {any} */ event) => {
    if (!this.#ready) return;
    const s = event.detail;
    this.#map.getSource("cursor").setData(collection(s ? [feature({ type: "Point", coordinates: [s.lon_deg, s.lat_deg] })] : []));
  };

  #onTheme = () => {
    if (!this.#ready) return;
    for (const layer of this.#map.getStyle().layers) if (layer.id !== "ground") this.#map.removeLayer(layer.id);
    for (const id of Object.keys(this.#map.getStyle().sources)) this.#map.removeSource(id);
    this.#map.setPaintProperty("ground", "background-color", colour("--map"));
    this.#layers();
    this.#fill();
  };

  /** The same things as text, for those who cannot see the canvas. */
  #table() {
    const cell = (/** @type {string} */ row, /** @type {string} */ name, /** @type {string} */ text) => {
      const found = document.querySelector(`#map-table tr[${row}] .${name}`);
      if (found && found.textContent !== text) found.textContent = text;
    };
    for (const [id, s] of latest) {
      cell(`data-drone="${CSS.escape(id)}"`, "state", [inline(s.state), charge(s), ago(ageSeconds(s))].join(", "));
      cell(`data-drone="${CSS.escape(id)}"`, "position", `${s.lat_deg.toFixed(6)}, ${s.lon_deg.toFixed(6)}, ${t("{0} m up, heading {1}°", s.alt_rel_m.toFixed(1), Math.round(s.yaw_deg))}`);
    }
    for (const a of this.#data?.assets ?? []) {
      cell(`data-asset="${CSS.escape(a.asset_id)}"`, "state", a.findings ? t("findings: {0}, worst {1} of 5", a.findings, a.worst_rank) : t("no findings"));
      if (a.lat_deg !== undefined) cell(`data-asset="${CSS.escape(a.asset_id)}"`, "position", `${a.lat_deg.toFixed(6)}, ${a.lon_deg.toFixed(6)}`);
    }
  }
}
customElements.define("drone-map", DroneMap);
