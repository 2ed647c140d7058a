// Tables marked data-table: a heading sorts, a field above filters, and so does a list of choices
// for each heading marked data-choices. Without JavaScript they are plain tables.
"use strict";

for (const table of document.querySelectorAll("table[data-table]")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];

  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const numeric = head.hasAttribute("data-numeric");
    const key = (row) => row.cells[column].dataset.key;
    const compare = (a, b) => {
      if (!key(a) || !key(b)) return Number(!key(a)) - Number(!key(b)); // empty ones last
      return numeric ? key(a) - key(b) : key(a).localeCompare(key(b));
    };
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const full = rows.filter((row) => key(row)).sort(compare);
      if (descending) full.reverse();
      body.append(...full, ...rows.filter((row) => !key(row)));
    });
  });

  const label = document.createElement("label");
  label.className = "filter";
  label.textContent = "Search in this table";
  const input = document.createElement("input");
  input.type = "search";
  const count = document.createElement("output");
  count.setAttribute("aria-live", "polite");
  label.append(input);
  table.before(label, count);
  count.className = "muted";

  const values = (row, column) => (row.cells[column].dataset.values ?? "").split("|");
  const choices = [...table.tHead.rows[0].cells].flatMap((head, column) => {
    if (!head.hasAttribute("data-choices")) return [];
    const select = document.createElement("select");
    select.name = head.textContent;
    select.append(new Option("all", ""));
    const offered = new Set(rows.flatMap((row) => values(row, column)).filter(Boolean));
    select.append(...[...offered].map((value) => new Option(value)));
    return [{ column, select }];
  });
  if (choices.length) {
    const form = document.createElement("form");
    form.className = "filters";
    for (const { select } of choices) {
      const choice = document.createElement("label");
      choice.append(`${select.name} `, select);
      form.append(choice);
    }
    label.before(form);
  }

  const text = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = choices.filter(({ select }) => select.value);
    for (const row of rows) {
      row.hidden =
        !words.every((word) => text.get(row).includes(word)) ||
        !chosen.every(({ column, select }) => values(row, column).includes(select.value));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    count.textContent = words.length + chosen.length ? `${shown} of ${rows.length} rows` : "";
  };
  for (const field of [input, ...choices.map(({ select }) => select)]) {
    field.addEventListener("input", filter);
  }
}
