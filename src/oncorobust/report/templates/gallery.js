"use strict";
// The gallery: a slider for each model that shows one epsilon at a time. Without it all epsilons stand side by side.

for (const gallery of document.querySelectorAll(".gallery")) {
  const exhibits = [...gallery.querySelectorAll(".steps")].map((steps) => [...steps.querySelectorAll(".attacked")]);
  if (exhibits.length === 0) continue;
  const labels = exhibits[0].map((step) => step.dataset.label);

  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = "0";
  slider.max = String(labels.length - 1);
  slider.value = slider.max;
  slider.setAttribute("aria-label", `Epsilon of ${gallery.dataset.heading}`);
  const output = document.createElement("output");
  const control = document.createElement("div");
  control.className = "epsilon";
  control.append("epsilon", slider, output);
  gallery.querySelector(".exhibit").before(control);

  const show = () => {
    const place = Number(slider.value);
    output.textContent = labels[place];
    slider.setAttribute("aria-valuetext", labels[place]);
    for (const steps of exhibits) steps.forEach((step, at) => { step.hidden = at !== place; });
  };
  slider.addEventListener("input", show);
  gallery.classList.add("moving");
  show();
}
