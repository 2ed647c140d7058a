// Tables marked data-table: a heading sorts, a field filters, and so do the choices listed in
// data-choices. Bodies that begin with a row of class "group" fold. What is chosen stands in the
// address. Without JavaScript they are plain tables.
"use strict";

const UNFOLD_AT_MOST = 120; // rows that a filter unfolds by itself
const collator = new Intl.Collator("en");

const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

for (const table of document.querySelectorAll("table[data-table]")) {
  const groups = [...table.tBodies].map((body) => {
    const head = body.rows[0]?.matches(".group") ? body.rows[0] : null;
    const rows = [...body.rows].slice(head ? 1 : 0).map((row) => ({
      row,
      keys: [...row.cells].map((cell) => cell.dataset.key ?? ""),
      text: `${head?.textContent ?? ""} ${row.textContent}`.toLowerCase(),
      kept: true,
    }));
    return { body, head, rows, open: !head };
  });
  const all = groups.flatMap((group) => group.rows);
  makeSortable(table, groups);
  makeFilters(table, groups, all);
}

function makeSortable(table, groups) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const numeric = head.hasAttribute("data-numeric");
    head.replaceChildren(element("button", { type: "button" }, ...head.childNodes));
    head.setAttribute("aria-sort", "none");
    head.firstChild.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const compare = (a, b) => {
        if (!a || !b) return Number(!a) - Number(!b); // empty ones last
        return sign * (numeric ? a - b : collator.compare(a, b));
      };
      for (const group of groups) {
        group.rows.sort((a, b) => compare(a.keys[column], b.keys[column]));
        group.body.append(...group.rows.map(({ row }) => row));
      }
      groups.sort((a, b) => compare(a.rows[0]?.keys[column], b.rows[0]?.keys[column]));
      if (groups.length > 1) table.append(...groups.map(({ body }) => body));
    });
  });
}

function makeFilters(table, groups, all) {
  const name = table.id.replace(/-table$/, "");
  const choices = JSON.parse(table.dataset.choices ?? "[]");
  const input = element("input", { type: "search", name: `${name}-text`, autocomplete: "off" });
  const count = element("output", { className: "muted" });
  count.setAttribute("aria-live", "polite");
  const chips = new Map(); // by filter, the buttons of its values
  const form = element(
    "form",
    { className: "board-filters", role: "search" },
    element("label", { className: "filter" }, "Search in this table", input),
  );
  form.setAttribute("aria-label", `Filter the ${name}`);
  for (const [choice, values] of choices) {
    const buttons = values.map((value) => {
      const rows = all.filter(({ row }) => row.dataset[choice].split("|").includes(value)).length;
      const chip = element("button", { type: "button", className: "chip", value }, value, " ");
      chip.append(element("small", {}, String(rows)));
      chip.setAttribute("aria-pressed", "false");
      chip.addEventListener("click", () => {
        chip.setAttribute("aria-pressed", String(chip.ariaPressed !== "true"));
        changed();
      });
      return chip;
    });
    chips.set(choice, buttons);
    const legend = element("legend", {}, choice[0].toUpperCase() + choice.slice(1));
    form.append(element("fieldset", {}, legend, ...buttons));
  }
  const foldable = groups.filter(({ head }) => head);
  const unfold = element("button", { type: "button", className: "quiet" });
  for (const group of foldable) {
    const toggle = element("button", { type: "button", className: "fold" });
    group.toggle = toggle;
    group.head.cells[0].prepend(toggle);
    toggle.addEventListener("click", () => {
      group.open = !group.open;
      show();
    });
  }
  unfold.addEventListener("click", () => {
    const open = !foldable.every((group) => group.open);
    for (const group of foldable) group.open = open;
    show();
  });
  if (foldable.length) form.append(unfold);
  table.before(form, count);
  form.addEventListener("submit", (event) => event.preventDefault());
  input.addEventListener("input", () => changed());

  const chosen = (choice) =>
    chips.get(choice).filter((chip) => chip.ariaPressed === "true").map((chip) => chip.value);

  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const asked = choices.map(([choice]) => [choice, chosen(choice)]).filter(([, v]) => v.length);
    for (const item of all) {
      item.kept =
        words.every((word) => item.text.includes(word)) &&
        asked.every(([choice, values]) => {
          const own = item.row.dataset[choice].split("|");
          return values.some((value) => own.includes(value));
        });
    }
    const active = words.length + asked.length > 0;
    const kept = all.filter((item) => item.kept).length;
    count.textContent = active ? `${kept} of ${all.length} rows` : "";
    for (const group of foldable) group.open = active && kept <= UNFOLD_AT_MOST;
    show();
  };

  const show = () => {
    for (const { head, rows, open, toggle } of groups) {
      const kept = rows.filter((item) => item.kept).length;
      for (const item of rows) item.row.hidden = !open || !item.kept;
      if (!head) continue;
      head.hidden = kept === 0;
      const told = kept === rows.length ? `${kept} claims` : `${kept} of ${rows.length} claims`;
      toggle.textContent = told;
      toggle.setAttribute("aria-expanded", String(open));
    }
    unfold.textContent = foldable.every((group) => group.open) ? "Fold all" : "Unfold all";
  };

  const changed = () => {
    filter();
    const query = new URLSearchParams(location.search);
    for (const [choice] of choices) {
      query.delete(choice);
      for (const value of chosen(choice)) query.append(choice, value);
    }
    query.delete(input.name);
    if (input.value.trim()) query.set(input.name, input.value.trim());
    const address = query.size ? `?${query}` : location.pathname;
    history.replaceState(null, "", address + location.hash);
  };

  const query = new URLSearchParams(location.search);
  input.value = query.get(input.name) ?? "";
  for (const [choice, buttons] of chips) {
    const asked = query.getAll(choice);
    for (const chip of buttons) chip.setAttribute("aria-pressed", String(asked.includes(chip.value)));
  }
  filter();
}
