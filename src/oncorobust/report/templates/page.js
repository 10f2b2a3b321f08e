"use strict";
// The page's own script: dark theme, data sets as tabs, sorting of tables. All content is there without it.

(() => {
  // The theme that a reader chose, kept where the browser allows it; otherwise the system's.
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const show = () => button.setAttribute("aria-pressed", String(dark()));
  const stored = (use) => { try { return use(localStorage); } catch { return null; } };

  const before = stored((store) => store.getItem("oncorobust-theme"));
  if (before === "light" || before === "dark") root.dataset.theme = before;
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    stored((store) => store.setItem("oncorobust-theme", root.dataset.theme));
    show();
  });
  system.addEventListener("change", show);
  button.hidden = false;
  show();
})();

(() => {
  // Blocks of data sets as tabs. Choosing a data set chooses it in every table that has it.
  const groups = [...document.querySelectorAll(".tabs")].map((element, number) => {
    const list = document.createElement("div");
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", element.dataset.label);
    const panels = [...element.querySelectorAll(":scope > .tab")];
    const tabs = panels.map((panel, place) => {
      const tab = document.createElement("button");
      tab.type = "button";
      tab.id = `tab-${number}-${place}`;
      tab.textContent = panel.dataset.title;
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", `panel-${number}-${place}`);
      panel.id = `panel-${number}-${place}`;
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", tab.id);
      panel.addEventListener("beforematch", () => choose(panel.dataset.key)); // found by the browser's search
      tab.addEventListener("click", () => stay(tab, () => choose(panel.dataset.key)));
      list.append(tab);
      return tab;
    });
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const place = event.key === "Home" ? 0 : event.key === "End" ? tabs.length - 1
        : step && (tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length;
      if (place === undefined) return;
      event.preventDefault();
      tabs[place].focus();
      tabs[place].click();
    });
    element.prepend(list);
    return { panels, tabs };
  });

  function choose(key) {
    for (const { panels, tabs } of groups) {
      const place = panels.findIndex((panel) => panel.dataset.key === key);
      if (place >= 0) open(panels, tabs, place);
    }
  }

  function open(panels, tabs, place) {
    panels.forEach((panel, at) => {
      if (at === place) panel.removeAttribute("hidden");
      else panel.setAttribute("hidden", "until-found");
      tabs[at].setAttribute("aria-selected", String(at === place));
      tabs[at].tabIndex = at === place ? 0 : -1;
    });
  }

  function stay(element, change) {
    const top = element.getBoundingClientRect().top;
    change();
    scrollBy(0, element.getBoundingClientRect().top - top);
  }

  for (const { panels, tabs } of groups) open(panels, tabs, 0);
})();

(() => {
  // Sorting: a click on a heading sorts up, another down. Empty cells stay last; equal ones keep their order.
  const value = (row, place) => {
    const cell = row.cells[place];
    const text = cell.dataset.v ?? cell.textContent.trim();
    return text === "" || (cell.tagName === "TD" && cell.dataset.v === undefined) ? null : text;
  };
  const numeric = (values) => values.every((one) => one === null || Number.isFinite(Number(one)));

  function sort(table, heading) {
    const place = heading.cellIndex;
    const down = heading.getAttribute("aria-sort") === "ascending";
    const rows = [...table.tBodies[0].rows].map((row) => ({ row, key: value(row, place) }));
    const asNumber = numeric(rows.map((one) => one.key));
    const key = (one) => (asNumber ? Number(one.key) : one.key);
    rows.sort((one, other) => {
      if (one.key === null || other.key === null) return (one.key === null) - (other.key === null);
      const order = key(one) < key(other) ? -1 : key(one) > key(other) ? 1 : 0;
      return down ? -order : order;
    });
    for (const other of table.querySelectorAll("thead [aria-sort]")) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    table.tBodies[0].replaceChildren(...rows.map((one) => one.row));
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const heading of table.querySelectorAll("tr.heads > th")) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      button.addEventListener("click", () => sort(table, heading));
      heading.replaceChildren(button);
    }
  }
})();
