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

// A region that scrolls sideways is reached by keyboard, and its edge fades where there is more.
const REGIONS = "pre, div.math, .katex-display, table.docutils";
const showEdges = (region) => {
  const rest = region.scrollWidth - region.clientWidth - region.scrollLeft;
  region.classList.toggle("more-left", region.scrollLeft > 1);
  region.classList.toggle("more-right", rest > 1);
};
const makeScrollable = () => {
  for (const region of document.querySelectorAll(REGIONS)) {
    showEdges(region);
    if (region.scrollWidth > region.clientWidth + 1) {
      region.tabIndex = 0;
      region.onscroll = () => showEdges(region);
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

// How much code a page shows: what the method needs, all of it, or only text. Remembered.
const folds = [...document.querySelectorAll("details.hide")];
const showCode = (how) => {
  root.dataset.code = how;
  for (const fold of folds) fold.open = how === "all";
  makeScrollable();
};
const switches = document.querySelector(".code-switch");
if (switches) {
  switches.hidden = false;
  let how = null;
  try {
    how = localStorage.getItem("code");
  } catch {
    // storage may be forbidden
  }
  const chosen = switches.querySelector(`[value="${CSS.escape(how ?? "")}"]`);
  if (chosen) {
    chosen.checked = true;
    showCode(how);
  }
  switches.addEventListener("change", ({ target }) => {
    try {
      localStorage.setItem("code", target.value);
    } catch {
      // the choice then lasts for this page
    }
    showCode(target.value);
  });
}

// Figures: enlarge by a tap or a key, and take along. The drawing itself moves into the dialog, so
// that a figure's choices still apply to it.
const INK = "#1f2328";
const PAPER = "var(--pst-color-background, var(--jp-layout-color0, #fff))";
const button = (label, act) => {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", act);
  return made;
};
const standalone = (svg) => {
  const copy = svg.cloneNode(true);
  const shown = [...svg.querySelectorAll("g.layer")].map((g) => getComputedStyle(g).display);
  [...copy.querySelectorAll("g.layer")].forEach((layer, k) => shown[k] === "none" && layer.remove());
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const text = new XMLSerializer().serializeToString(copy);
  return text.replaceAll("currentColor", INK).replaceAll(PAPER, "#fff");
};
const save = (name, address) => {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
};
const asPng = async (text, width, height) => {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height].map((length) => Math.round(4 * length));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png");
};
[...document.querySelectorAll("figure.paper-figure")].forEach((figure, number) => {
  const svg = figure.querySelector("svg");
  const caption = figure.querySelector("figcaption");
  const place = document.createElement("div");
  svg.before(place);
  place.append(svg);
  place.className = "drawing";
  const dialog = document.createElement("dialog");
  dialog.className = "enlarged";
  dialog.setAttribute("aria-label", "The figure, enlarged");
  const sheet = document.createElement("div");
  sheet.className = "sheet";
  sheet.tabIndex = 0;
  sheet.setAttribute("role", "group");
  sheet.setAttribute("aria-label", "Scrollable");
  dialog.append(button("Close", () => dialog.close()), sheet);
  figure.append(dialog);
  const enlarge = () => {
    place.style.height = `${place.offsetHeight}px`;
    sheet.append(svg);
    dialog.showModal();
  };
  place.addEventListener("click", enlarge);
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    place.append(svg);
    place.style.height = "";
  });
  const page = location.pathname.split("/").at(-1).replace(/\.html$/, "") || "index";
  const name = `${page}-figure-${number + 1}`;
  const tools = document.createElement("p");
  tools.className = "tools";
  tools.append(
    button("Enlarge", enlarge),
    button("Save as SVG", () => {
      const blob = new Blob([standalone(svg)], { type: "image/svg+xml" });
      save(`${name}.svg`, URL.createObjectURL(blob));
    }),
    button("as PNG", async () => {
      const { width, height } = svg.viewBox.baseVal;
      save(`${name}.png`, await asPng(standalone(svg), width, height));
    }),
  );
  caption.after(tools);
});
