// A line on each page among the results. Sphinx would fetch whole pages for it, which is heavy and
// impossible for a book opened from disk.
"use strict";

new MutationObserver(() => {
  for (const item of document.querySelectorAll("ul.search > li:not([data-done])")) {
    item.dataset.done = "";
    const link = item.querySelector("a");
    if (!link) continue;
    const base = new URL(root.dataset.content_root, location.href);
    const page = link.href.split(/[?#]/)[0].slice(base.href.length).replace(/\.html$/, "");
    const summary = PAGE_SUMMARIES[page];
    if (summary) {
      const line = document.createElement("p");
      line.textContent = summary;
      item.append(line);
    }
  }
}).observe(document.getElementById("search-results"), { childList: true, subtree: true });
