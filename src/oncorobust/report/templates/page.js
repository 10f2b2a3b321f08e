"use strict";
// The button for the dark theme. Without this script the page follows the system's theme.
(() => {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const stored = (store) => { try { return store(localStorage); } catch { return null; } };

  function show() {
    button.setAttribute("aria-pressed", String(dark()));
  }

  const before = stored((store) => store.getItem("oncorobust-theme"));
  if (before === "light" || before === "dark") root.dataset.theme = before;
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    stored((store) => store.setItem("oncorobust-theme", root.dataset.theme));
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  button.hidden = false;
  show();
})();
