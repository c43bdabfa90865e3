// Tables are sorted by a click on a column: as numbers where both cells are some, else as words.
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((head, column) => head.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const words = (row) => row.cells[column].textContent.trim();
    const order = (a, b) => {
      const [x, y] = [parseFloat(words(a)), parseFloat(words(b))];
      if (words(a) === "" || words(b) === "") return (words(a) === "") - (words(b) === "");
      return (up ? 1 : -1) * (isNaN(x) || isNaN(y) ? words(a).localeCompare(words(b)) : x - y);
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
  }));
}
// What belongs to a trial is shown together, wherever it is pointed at.
const together = (event, on) => {
  const trial = event.target.closest?.("[data-trial]")?.dataset.trial;
  if (trial === undefined) return;
  for (const each of document.querySelectorAll(`[data-trial="${trial}"]`)) each.classList.toggle("on", on);
};
document.addEventListener("mouseover", (event) => together(event, true));
document.addEventListener("mouseout", (event) => together(event, false));
// Paper cannot be unfolded.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
