"use strict";
// Sorting, filtering and folding of the tables. All rows stand in the page without it, too.
(() => {
  const FIRST = 25, SOME = 4;
  const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const thousands = new Intl.NumberFormat("en");

  const make = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  // The number that a cell begins with; NaN for "can't tell", which always comes last.
  const number = (text) => parseFloat(text.replace(/[,<+]/g, "").replace(/−/g, "-"));

  const key = (row, column, numeric) => {
    const text = row.cells[column].textContent.trim();
    return numeric ? number(text) : text;
  };

  const sort = (table, column, numeric, down, show) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [key(row, column, numeric), row]);
    const empty = (x) => (numeric ? Number.isNaN(x) : x === "");
    rows.sort(([a], [b]) => {
      if (empty(a) || empty(b)) return empty(a) - empty(b);
      return (down ? -1 : 1) * (numeric ? a - b : words.compare(a, b));
    });
    body.append(...rows.map(([, row]) => row));
    show();
  };

  const sortable = (table, show) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.classList.contains("d") || !head.textContent.trim()) return;
      const numeric = head.classList.contains("n");
      const button = make("button", "", { type: "button", title: "Sort by this column" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const down = now ? now === "ascending" : numeric;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort(table, column, numeric, down, show);
      });
    });
  };

  // Above a long table: a box to filter its rows, and below it a button for those not shown.
  const foldable = (table) => {
    const rows = () => [...table.tBodies[0].rows];
    const all = rows().length;
    // Of many rows that can't be told a few are shown; they come last.
    const untold = rows().filter((row) => row.querySelector(".untold")).length;
    const first = Math.min(FIRST, Math.max(all - untold + SOME, SOME));
    if (all <= first + (first < FIRST ? SOME : 0)) return () => {};
    const named = table.caption.id;
    const tools = make("div", "", { class: "tools" });
    const label = make("label", "Filter ");
    const box = make("input", "", { type: "search", "aria-describedby": named });
    const told = make("output");
    const more = make("button", "", { type: "button", class: "more" });
    label.append(box);
    tools.append(label, told);
    const region = table.parentElement;
    region.before(tools);
    region.after(more);
    const texts = new Map(rows().map((row) => [row, row.textContent.toLowerCase()]));
    let whole = false;
    const show = () => {
      const wanted = box.value.trim().toLowerCase();
      let found = 0;
      for (const row of rows()) {
        const fits = !wanted || texts.get(row).includes(wanted);
        found += fits;
        row.hidden = !fits || (!whole && found > first);
      }
      const shown = whole ? found : Math.min(found, first);
      told.textContent = `${thousands.format(shown)} of ${thousands.format(wanted ? found : all)}`
        + (wanted ? " that fit" : "") + " shown";
      more.hidden = found <= first;
      more.textContent = whole ? `Show the first ${first} only`
        : `Show all ${thousands.format(found)}`;
    };
    box.addEventListener("input", show);
    more.addEventListener("click", () => { whole = !whole; show(); });
    show();
    return show;
  };

  const folds = [...document.querySelectorAll("details")];
  const unfold = (target) => {
    for (let up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
  };
  for (const table of document.querySelectorAll("table")) sortable(table, foldable(table));
  for (const fold of folds) fold.open = false;
  const goTo = () => unfold(document.getElementById(location.hash.slice(1)));
  addEventListener("hashchange", goTo);
  goTo();

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = folds.filter((fold) => !fold.open);
    for (const fold of closed) fold.open = true;
  });
  addEventListener("afterprint", () => { for (const fold of closed) fold.open = false; });
})();
