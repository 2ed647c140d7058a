// Papers before the glossary, parts and the library's pages; a line on each page found, and the words
// around what was looked for. Sphinx would fetch whole pages for those, which is heavy, and
// impossible for a book opened from disk.
"use strict";

const AROUND = 90; // characters shown on each side of a hit
const PAGE_TEXTS = {}; // filled by the pages' scripts

// Sphinx shows results by their score; a page's kind outweighs it.
const rank = (page) => {
  if (page.startsWith("api/")) return 0;
  if (page === "bibliography") return 1;
  if (page.endsWith("/index")) return 3;
  if (page.includes("/")) return 5;
  return page === "glossary" ? 4 : 2;
};
Scorer.score = ([page, , , , score]) => 1000 * rank(page) + score;

const loaded = new Map();
const loadText = (page, base) => {
  if (!loaded.has(page)) {
    const script = document.createElement("script");
    script.src = new URL(`_static/text/${page}.js`, base);
    loaded.set(page, new Promise((resolve) => (script.onload = script.onerror = resolve)));
    document.head.append(script);
  }
  return loaded.get(page);
};

const addSnippet = async (item, page, base) => {
  await loadText(page, base);
  const text = PAGE_TEXTS[page] ?? "";
  const query = document.querySelector("form.large input[name=q]").value;
  const [, , , words] = Search._parseQuery(query);
  const escaped = [...words].map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const hit = escaped.length && new RegExp(`(?<![\\p{L}])(?:${escaped.join("|")})`, "iu").exec(text);
  if (!hit) return;
  const start = Math.max(0, hit.index - AROUND);
  const end = Math.min(text.length, hit.index + hit[0].length + AROUND);
  const mark = document.createElement("mark");
  mark.textContent = hit[0];
  const line = document.createElement("p");
  line.className = "snippet";
  line.append(
    (start ? "… " : "") + text.slice(start, hit.index).replace(start ? /^\S*\s/ : "", ""),
    mark,
    text.slice(hit.index + hit[0].length, end).replace(end < text.length ? /\s\S*$/ : "", "") +
      (end < text.length ? " …" : ""),
  );
  item.append(line);
};

const seen = new IntersectionObserver((entries, observer) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    observer.unobserve(target);
    addSnippet(target, target.dataset.page, new URL(root.dataset.content_root, location.href));
  }
});

new MutationObserver(() => {
  for (const item of document.querySelectorAll("ul.search > li:not([data-page])")) {
    const link = item.querySelector("a");
    if (!link) continue;
    const base = new URL(root.dataset.content_root, location.href);
    const page = link.href.split(/[?#]/)[0].slice(base.href.length).replace(/\.html$/, "");
    item.dataset.page = page;
    const summary = PAGE_SUMMARIES[page];
    if (summary) {
      const line = document.createElement("p");
      line.textContent = summary;
      item.append(line);
    }
    seen.observe(item);
  }
}).observe(document.getElementById("search-results"), { childList: true, subtree: true });
