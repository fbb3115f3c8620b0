// @ts-check
// A crew's answer: kept on the phone first (IndexedDB), sent when there is a connection, each under an id of its own.

import { newKey, shelf } from "./kept.js";

const form = /** @type {HTMLFormElement} */ (document.getElementById("report"));
const state = /** @type {HTMLElement} */ (document.getElementById("state"));
const say = form.dataset;
const MOST_BYTES = 240_000;
const AGAIN_MS = 4000;

/** @typedef {{id: string, token: string, told: object, photo?: Blob, takenAt?: string, takenBy?: string}} Waiting */

const store = shelf("kestrel-crew", { keyPath: "id" });

/** When a picture was taken, by the camera's own record (EXIF DateTimeOriginal with its offset), else by the file. @param {File} file */
async function taken(file) {
  const text = new TextDecoder("latin1").decode(await file.slice(0, 131072).arrayBuffer());
  const exif = text.startsWith("\xff\xd8") && text.includes("Exif\0\0");
  const [, date, clock] = (exif && text.match(/(\d{4}:\d\d:\d\d) (\d\d:\d\d:\d\d)\0/)) || [];
  if (date) {
    const offset = text.match(/[+-]\d\d:\d\d(?=\0)/)?.[0] ?? "";
    const at = new Date(`${date.replaceAll(":", "-")}T${clock}${offset}`);
    if (!Number.isNaN(at.valueOf())) return { at: at.toISOString(), by: "camera" };
  }
  const by = file.lastModified ? "file" : "phone";
  return { at: new Date(file.lastModified || Date.now()).toISOString(), by };
}

/** A JPEG of a picture small enough for a bad connection. @param {File} file @returns {Promise<Blob>} */
async function small(file) {
  const picture = await createImageBitmap(file);
  const canvas = document.createElement("canvas");
  for (let side = 1600; ; side = Math.round(side * 0.75)) {
    const scale = Math.min(1, side / Math.max(picture.width, picture.height));
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const made = /** @type {Blob} */ (await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.8)));
    if (made.size <= MOST_BYTES || side < 200) return made;
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const given = new FormData(form);
  if (!given.get("answer")) { state.textContent = say.choose ?? ""; return; }
  const told = {
    answer: given.get("answer"),
    measured_mm: given.get("measured_mm") ? Number(given.get("measured_mm")) : null,
    others: Number(given.get("others") || 0),
    note: given.get("note") ?? "",
    language: document.documentElement.lang,
    answered_at: new Date().toISOString(),
  };
  /** @type {Waiting} */
  const waiting = { id: newKey(), token: say.token ?? "", told };
  const photo = /** @type {File} */ (given.get("photo"));
  if (photo?.size) {
    const { at, by } = await taken(photo);
    Object.assign(waiting, { photo: await small(photo), takenAt: at, takenBy: by });
  }
  await store("readwrite", (all) => all.put(waiting));
  form.reset();
  state.textContent = say.waiting ?? "";
  await send();
});

let sending = false;
/** Send what waits, the oldest first; what does not go now stays. */
async function send() {
  if (sending) return;
  sending = true;
  try {
    const all = /** @type {Waiting[]} */ (await store("readonly", (kept) => kept.getAll()));
    for (const one of all) {
      const problem = await delivered(one);
      await store("readwrite", (kept) => kept.delete(one.id));
      state.textContent = problem ? `${say.refused} ${problem}` : say.sent ?? "";
    }
  } catch {
    state.textContent = say.waiting ?? "";
    setTimeout(send, AGAIN_MS); // what browsers tell of connections cannot be relied upon
  } finally {
    sending = false;
  }
}

/** Send one answer; returns why it was refused for good. Throws where trying again helps. @param {Waiting} one */
async function delivered(one) {
  const address = `/crew/${one.token}/reports/${one.id}`;
  const shown = { "X-Kestrel-Page": "1", "Accept-Language": document.documentElement.lang };
  const json = { ...shown, "Content-Type": "application/json" };
  const answer = await fetch(address, { method: "PUT", body: JSON.stringify(one.told), headers: json });
  let refusal = await refused(answer);
  if (!refusal && one.photo) {
    const query = new URLSearchParams({ taken_at: one.takenAt ?? "", taken_by: one.takenBy ?? "phone" });
    const jpeg = { ...shown, "Content-Type": "image/jpeg" };
    refusal = await refused(await fetch(`${address}/photo?${query}`, { method: "PUT", body: one.photo, headers: jpeg }));
  }
  return refusal;
}

/** @param {Response} answer */
async function refused(answer) {
  if (answer.ok) return "";
  if (answer.status >= 500 || answer.status === 429) throw new Error(String(answer.status));
  const problem = await answer.json().catch(() => ({}));
  return problem.detail ?? String(answer.status);
}

for (const time of document.querySelectorAll("time[data-zone]")) {
  const shown = { dateStyle: "medium", timeStyle: "short", timeZone: /** @type {HTMLElement} */ (time).dataset.zone };
  time.textContent = new Date(time.getAttribute("datetime") ?? "").toLocaleString(document.documentElement.lang, /** @type {any} */ (shown));
}
addEventListener("online", send);
addEventListener("offline", () => { state.textContent = say.offline ?? ""; });
navigator.serviceWorker?.register("/crew/worker.js").then(() => navigator.serviceWorker.ready).then(async () => {
  // This page came before its worker did: let the worker have it, its picture and its code once.
  const kept = await caches.open("kestrel-crew-1");
  await kept.addAll([location.href, .../** @type {any} */ ([...document.querySelectorAll("img, script[src], link[rel=stylesheet], link[rel=modulepreload]")]).map((/** @type {any} */ one) => one.src || one.href)].filter(Boolean)).catch(() => {});
  document.documentElement.dataset.kept = "yes";
}).catch(() => {});
send();
