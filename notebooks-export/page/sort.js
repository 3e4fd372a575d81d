"use strict";
// Tables are sorted by the column that is pressed: numbers from the largest, words from A; once more turns it round.
// Page.html#sort=arms:speed_up:descending opens sorted.

// Missing values stand last either way.
function compare(a, b, sign) {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  return sign * (typeof a === "number" && typeof b === "number" ? a - b
    : String(a).localeCompare(String(b), "en", {numeric: true}));
}

function valueOf(cell) {
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  return cell.textContent === "" ? null : cell.textContent;
}

function sortTable(table, header, order) {
  const column = header.cellIndex, sign = order === "ascending" ? 1 : -1, body = table.tBodies[0];
  const rows = Array.from(body.rows, row => [valueOf(row.cells[column]), row]);
  rows.sort((a, b) => compare(a[0], b[0], sign));
  body.append(...rows.map(row => row[1]));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", order);
}

function press(table, header) {
  const now = header.getAttribute("aria-sort"), first = header.classList.contains("words") ? "ascending" : "descending";
  sortTable(table, header, now === null ? first : now === "ascending" ? "descending" : "ascending");
}

function sortAsAsked() {
  const asked = decodeURIComponent(location.hash).match(/^#sort=([^:]+):(.+):(ascending|descending)$/);
  const table = asked && document.getElementById(asked[1]);
  const header = table && Array.from(table.querySelectorAll("th")).find(th => th.dataset.column === asked[2]);
  if (!header) return;
  sortTable(table, header, asked[3]);
  const details = table.closest("details");
  if (details) details.open = true;
  table.scrollIntoView();
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const header of table.tHead.rows[0].cells)
    header.querySelector("button").addEventListener("click", () => press(table, header));
}
addEventListener("hashchange", sortAsAsked);
sortAsAsked();
