// Filters of the gallery. The choice is kept in the address, so that it can be linked to.
"use strict";

const form = document.querySelector("form.filters");
const cards = [...document.querySelectorAll("#gallery .card")];
const partsShown = [...document.querySelectorAll("#gallery > section")];
const output = form.querySelector("output");
const fields = [...form.querySelectorAll("select, input")];
const words = new Map(cards.map((c) => [c, `${c.textContent} ${c.dataset.words}`.toLowerCase()]));

const keeps = (card, field) =>
  field.name === "text"
    ? field.value.toLowerCase().split(/\s+/).every((word) => words.get(card).includes(word))
    : card.dataset[field.name].split("|").includes(field.value);

const apply = () => {
  const chosen = fields.filter((field) => field.value.trim());
  for (const card of cards) card.hidden = !chosen.every((field) => keeps(card, field));
  for (const part of partsShown) part.hidden = !part.querySelector(".card:not([hidden])");
  const shown = cards.filter((card) => !card.hidden).length;
  output.textContent = chosen.length ? `${shown} of ${cards.length} papers` : "";
};

const asked = new URLSearchParams(location.search);
for (const field of fields) {
  const value = asked.get(field.name) ?? "";
  if (!field.options || [...field.options].some((o) => o.value === value)) field.value = value;
}
form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", () => {
  apply();
  const query = new URLSearchParams(
    fields.filter((f) => f.value.trim()).map((f) => [f.name, f.value.trim()]),
  );
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
});
form.addEventListener("reset", () => setTimeout(() => form.dispatchEvent(new Event("input"))));
apply();
