// Filters of the gallery. The choice is kept in the address, so that it can be linked to.
"use strict";

const form = document.querySelector("form.filters");
const cards = [...document.querySelectorAll("#gallery > li")];
const output = form.querySelector("output");
const selects = [...form.querySelectorAll("select")];

const apply = () => {
  const chosen = selects.filter((select) => select.value);
  for (const card of cards) {
    card.hidden = !chosen.every((s) => card.dataset[s.name].split("|").includes(s.value));
  }
  const shown = cards.filter((card) => !card.hidden).length;
  output.textContent = chosen.length ? `${shown} of ${cards.length} papers` : "";
};

const asked = new URLSearchParams(location.search);
for (const select of selects) {
  const value = asked.get(select.name);
  if ([...select.options].some((option) => option.value === value)) select.value = value;
}
form.hidden = false;
form.addEventListener("change", () => {
  apply();
  const query = new URLSearchParams(selects.filter((s) => s.value).map((s) => [s.name, s.value]));
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
});
form.addEventListener("reset", () => setTimeout(() => form.dispatchEvent(new Event("change"))));
apply();
