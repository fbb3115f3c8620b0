// @ts-check
// Wires the operations page: what every page has, and the map, the rotor and the telemetry of the flight.

import "./room.js";
import "./telemetry-strip.js";
import "./rotor-view.js";
import { fetchMap } from "./live.js";
import { openFinding } from "./sheet.js";
import { t } from "./words.js";

fetchMap();
import("./drone-map.js").catch((error) => {
  const map = document.querySelector("drone-map");
  if (map) map.innerHTML = `<p class="failed">${t("The map could not be loaded. The table below lists the same things.")}</p>`;
  console.warn(error);
});
// The severity that is looked at stands in the address.
document.addEventListener("click", (event) => {
  const tab = /** @type {Element} */ (event.target).closest("[data-rank]");
  if (!(tab instanceof HTMLElement)) return;
  const address = new URL(location.href);
  if (tab.dataset.rank) address.searchParams.set("rank", tab.dataset.rank);
  else address.searchParams.delete("rank");
  history.replaceState(null, "", address);
});

if (document.body.dataset.open) openFinding(document.body.dataset.open);
