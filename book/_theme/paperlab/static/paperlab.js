// What every page needs: the theme's switch, the menu, and regions a keyboard can scroll.
"use strict";

const root = document.documentElement;
const system = window.matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";

const toggle = document.getElementById("theme-toggle");
const showTheme = () => toggle.setAttribute("aria-pressed", String(isDark()));
toggle.hidden = false;
toggle.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // storage may be forbidden; the choice then lasts for this page
  }
  showTheme();
});
system.addEventListener("change", showTheme);
showTheme();

const menu = document.getElementById("menu-toggle");
const nav = document.getElementById("book-nav");
menu.addEventListener("click", () => {
  const open = nav.classList.toggle("open");
  menu.setAttribute("aria-expanded", String(open));
  if (open) nav.querySelector("a")?.focus();
});
nav.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && nav.classList.contains("open")) {
    menu.click();
    menu.focus();
  }
});

// A region that scrolls sideways must be reachable by keyboard.
const makeScrollable = () => {
  for (const region of document.querySelectorAll("pre, div.math, .katex-display, table.docutils")) {
    if (region.scrollWidth > region.clientWidth + 1) {
      region.tabIndex = 0;
      if (!region.hasAttribute("role") && region.tagName !== "TABLE") region.setAttribute("role", "group");
      if (!region.ariaLabel) region.ariaLabel = region.tagName === "PRE" ? "Code" : "Scrollable";
    } else {
      region.removeAttribute("tabindex");
    }
  }
};
window.addEventListener("load", makeScrollable);
window.addEventListener("resize", makeScrollable);
document.addEventListener("toggle", makeScrollable, true);

// The section being read, marked in the page's own table of contents.
const links = new Map(
  [...document.querySelectorAll('.toc-wide a[href^="#"]')].map((a) => [decodeURIComponent(a.hash.slice(1)), a]),
);
const sections = [...links.keys()].map((id) => id && document.getElementById(id)).filter(Boolean);
if (sections.length) {
  const mark = () => {
    const current = sections.findLast((s) => s.getBoundingClientRect().top < 120) || sections[0];
    for (const [id, a] of links) {
      if (id === current.id) a.setAttribute("aria-current", "true");
      else a.removeAttribute("aria-current");
    }
  };
  document.addEventListener("scroll", mark, { passive: true });
  mark();
}

// On paper nothing can be unfolded.
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("article details")) details.open = true;
});
