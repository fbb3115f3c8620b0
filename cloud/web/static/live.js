// @ts-check
// One EventSource per page. Changes are re-sent as DOM events: kestrel:telemetry carries a sample, others an id.

import { t } from "./words.js";

const KINDS = ["telemetry", "flight", "command", "media", "finding", "ticket", "drone", "resync"];
const STALE_MS = 5000;
const TICK_MS = 4000;
const RETRY_MS = 3000;
const SILENT_MS = 25000; // the platform says every 10 s that it is there
const OWN_FAULT_MS = 3000; // a stream that is opened again at once is no news
const SKEW_MS = 2000; // the platform tells its clock in whole seconds

/** The newest sample per drone. @type {Map<string, any>} */
export const latest = new Map();
let lastTick = 0;
let synced = false;
let heardAt = Date.now();
/** How far this computer's clock is ahead of the platform's. */
let aheadMs = 0;
/** @type {EventSource | null} */
let stream = null;

/** @param {string} name @param {any} detail */
function send(name, detail) {
  document.body.dispatchEvent(new CustomEvent(`kestrel:${name}`, { detail, bubbles: true }));
}

/** @param {"opening" | "open" | "lost"} state @param {string} text */
function connection(state, text) {
  const shown = document.getElementById("connection");
  if (!shown || shown.dataset.state === state) return;
  shown.dataset.state = state;
  const words = shown.querySelector("span");
  if (words) words.textContent = text;
}

/** Whether a sample belongs to what the page shows: the flight, or its drone before and after it. @param {any} sample */
export function isShown(sample) {
  const data = /** @type {any} */ (window).kestrelMap;
  return Boolean(data) && sample.drone_id === data.drone && (sample.flight_id === null || sample.flight_id === data.flight);
}

/** Take a sample as the newest of its drone. @param {any} sample */
export function take(sample) {
  const known = latest.get(sample.drone_id);
  if (known && known.at >= sample.at) return;
  latest.set(sample.drone_id, sample);
  const data = /** @type {any} */ (window).kestrelMap;
  if (data && sample.flight_id === data.flight) data.trail.push([sample.lon_deg, sample.lat_deg, sample.alt_m, Date.parse(sample.at) / 1000]);
  send("telemetry", sample);
  const now = Date.now();
  if (now - lastTick > TICK_MS && sample.flight_id === document.body.dataset.flight) {
    lastTick = now;
    send("tick", {});
  }
}

export function openStream() {
  // Twenty drones send some forty samples a second: only a page that draws them asks for them.
  const draws = document.body.dataset.flight !== undefined || document.querySelector("drone-map");
  stream?.close();
  const opened = new EventSource(draws ? "/live" : "/live?telemetry=false");
  stream = opened;
  heardAt = Date.now();
  opened.onopen = () => {
    heardAt = Date.now();
    connection("open", t("Live"));
  };
  opened.onerror = () => {
    connection("lost", t("Reconnecting"));
    if (opened.readyState === EventSource.CLOSED) setTimeout(reopen, RETRY_MS);
  };
  opened.addEventListener("here", () => (heardAt = Date.now()));
  if (document.getElementById("link-lost")?.dataset.map) fetchMap(); // where no map asks for it
  for (const kind of KINDS) opened.addEventListener(kind, (event) => receive(kind, JSON.parse(event.data)));
}
addEventListener("pagehide", () => stream?.close());

/** A refused stream is not retried by the browser: find out why, then open it again. */
async function reopen() {
  const asked = { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(SILENT_MS) };
  const answer = await fetch("/map.json", asked).catch(() => null);
  if (answer?.status === 401) location.assign("/login");
  else if (answer?.ok) openStream();
  else setTimeout(reopen, RETRY_MS);
}

/** @param {string} kind @param {any} data */
function receive(kind, data) {
  heardAt = Date.now();
  if (kind === "telemetry") return take(data);
  // The platform says "resync" once it hears changes: what changed since the page was drawn, or was missed, is fetched.
  const missed = kind === "resync" && synced;
  if (kind === "resync") synced = true;
  if (kind === "resync" || kind === "drone") fetchMap();
  if (missed || (kind === "flight" && data.id !== document.body.dataset.flight)) followNewFlight();
  if (kind !== "drone") send(kind, data);
}

/** The operations page shows "the current flight" and goes on to the next one; a flight's own page stays with its own. */
async function followNewFlight() {
  if (location.pathname !== "/" || /[?&](flight|finding|asset)=/.test(location.search) || document.body.dataset.flight === undefined) return;
  const sheet = /** @type {HTMLDialogElement | null} */ (document.getElementById("sheet-dialog"));
  const answer = await fetch("/map.json", { headers: { Accept: "application/json" } });
  const busy = sheet?.open || document.querySelector("chat-log:not([hidden])");
  if (answer.ok && ((await answer.json()).flight ?? "") !== document.body.dataset.flight && !busy) location.reload(); // none is "" here
}

let fetching = false;
let again = false;

/** Fetch what the map draws, once for all who ask meanwhile. */
export async function fetchMap() {
  again = true;
  if (fetching) return;
  fetching = true;
  try {
    while (again) {
      again = false;
      await loadMap();
    }
  } finally {
    fetching = false;
  }
}

/** Hand the map, the newest sample of each drone with it, to whoever draws. */
async function loadMap() {
  const src = document.querySelector("drone-map")?.getAttribute("src") ?? document.getElementById("link-lost")?.dataset.map;
  if (!src) return;
  const askedAt = Date.now();
  const response = await fetch(src, { headers: { Accept: "application/json" } }).catch(() => null); // the stream asks again when it is back
  if (!response?.ok) return;
  const told = Date.parse(response.headers.get("Date") ?? "");
  // From when it was asked: a slow answer makes samples look older than they are, never younger.
  aheadMs = askedAt - told > SKEW_MS || told - Date.now() > SKEW_MS ? askedAt - told : 0;
  const data = await response.json();
  for (const drone of data.drones) if (drone.last) latest.set(drone.drone_id, drone.last);
  /** @type {any} */ (window).kestrelMap = data;
  send("map", data);
  age();
}

/** Seconds since a sample was taken, by the platform's clock. @param {any} sample */
export function ageSeconds(sample) {
  return (Date.now() - aheadMs - Date.parse(sample.at)) / 1000;
}

/** Whether a sample is too old to be where the drone is. @param {any} sample */
export function isStale(sample) {
  return !sample || ageSeconds(sample) * 1000 > STALE_MS;
}

/** Split a trail of [lon, lat, alt, seconds] where the aircraft was not heard of. @param {number[][]} trail */
export function unbroken(trail) {
  const steps = trail.slice(1).map((p, i) => p[3] - trail[i][3]).sort((a, b) => a - b);
  const limit = Math.max(5, 4 * (steps[steps.length >> 1] ?? 0));
  /** @type {number[][][]} */
  const runs = [];
  trail.forEach((p, i) => {
    if (i === 0 || p[3] - trail[i - 1][3] > limit) runs.push([]);
    runs[runs.length - 1].push(p);
  });
  return runs;
}

/** Seconds in words. @param {number} seconds */
export function ago(seconds) {
  return seconds < 1.5 ? t("now") : t("{0} ago", span(seconds));
}

/** @param {number} seconds */
function span(seconds) {
  if (seconds < 90) return t("{0} s", Math.round(seconds));
  if (seconds < 5400) return t("{0} min", Math.round(seconds / 60));
  if (seconds < 129600) return t("{0} h", Math.round(seconds / 3600));
  return t("{0} d", Math.round(seconds / 86400));
}

function age() {
  send("age", {});
  const data = /** @type {any} */ (window).kestrelMap;
  const banner = document.getElementById("link-lost");
  if (!data || !banner) return;
  const flying = document.querySelector("#flight .pill.state-flying, #flight .pill.state-paused, #flight .pill.state-returning");
  const newest = latest.get(data.drone);
  const deafMs = document.getElementById("connection")?.dataset.state === "lost" ? Date.now() - heardAt : 0;
  const deaf = Boolean(flying && deafMs > OWN_FAULT_MS);
  const lost = deaf || Boolean(flying && newest && isStale(newest));
  const text = deaf
    ? t("This page has not heard the platform for {0}: what it shows is old, and what is pressed here may not arrive. It does not know whether the drone is heard.", span(deafMs / 1000))
    : lost
      ? t("No telemetry from the drone for {0}. It goes on by its own rules; commands are kept until the link is back or they expire.", span(ageSeconds(newest)))
      : "";
  if (banner.hidden === lost) banner.hidden = !lost;
  // Announced once, when the link is lost; the running number is not read out every second.
  banner.setAttribute("aria-live", "off");
  if (lost) banner.textContent = text;
}

/** A connection that broke without a word looks open for minutes: it is opened again. */
function listen() {
  if (stream?.readyState === EventSource.OPEN && Date.now() - heardAt > SILENT_MS) {
    stream.close();
    connection("lost", t("Reconnecting"));
    reopen();
  }
  age();
}

setInterval(listen, 1000);
