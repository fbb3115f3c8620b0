// @ts-check
// On a narrow page each row of a table is a block, each cell under the name of its column (rooms.css): no column is out of sight.

const narrow = matchMedia("(max-width: 860px)");
/** What a browser forgets of a table that is laid out as blocks. @type {Record<string, string>} */
const ROLES = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TH: "columnheader", TD: "cell" };

function nameCells() {
  if (!narrow.matches) return;
  for (const table of document.querySelectorAll(".room .scroll table:has(thead)")) {
    const heads = [...table.querySelectorAll("thead th")].map((th) => th.textContent?.trim() ?? "");
    for (const part of [table, ...table.querySelectorAll("thead, tbody, tr, th, td")]) part.setAttribute("role", ROLES[part.tagName]);
    for (const row of table.querySelectorAll("tbody tr")) [...row.children].forEach((cell, i) => cell.setAttribute("data-column", heads[i] ?? ""));
  }
}

narrow.addEventListener("change", nameCells);
document.addEventListener("htmx:after:swap", nameCells);
nameCells();
