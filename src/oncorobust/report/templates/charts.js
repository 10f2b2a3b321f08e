// Draw the curves of Figures 2 to 5 and 8 with uPlot, one panel at a time, where the page shows the printed figures.
"use strict";
(() => {
  const source = document.getElementById("chart-data");
  if (!source || !window.uPlot) return;
  const { figures } = JSON.parse(source.textContent);
  const controls = document.getElementById("chart-controls");
  const DASHES = { "-": [], "--": [7, 4], ":": [2, 3], "-.": [8, 3, 2, 3] };
  const HEIGHT = 340;
  const FONT = "12px system-ui, sans-serif";

  const short = value => String(Number(value.toPrecision(3)));
  const percent = value => value.toFixed(1);
  const element = (name, text, parent) => {
    const made = document.createElement(name);
    made.textContent = text;
    if (parent) parent.append(made);
    return made;
  };

  /** Return the point of a curve that holds at x: of a step curve the one of its step, else the one at x; -1 for none. */
  function point(curve, x) {
    if (curve.step === "post") return curve.x.findLastIndex(one => one <= x);
    return curve.x.findIndex(one => (curve.step === "pre" ? one >= x : one === x));
  }

  /** Return a curve's value at x with its interval; null where it has none. */
  function at(curve, x) {
    const place = point(curve, x);
    if (place < 0 || curve.y[place] === null) return null;
    const ends = curve.low[place] !== null ? ` (${percent(curve.low[place])} to ${percent(curve.high[place])})` : "";
    return `${percent(curve.y[place])} %${ends}`;
  }

  /** Return x as text, with epsilon also in the unit of the images. */
  function place(panel, x) {
    if (!panel.x.unit) return panel.x.log ? `${panel.x.label} ${short(x)}` : `coverage ${percent(x)} %`;
    return `epsilon ${short(x)} (${short(x * panel.x.scale)} ${panel.x.unit})`;
  }

  /** Return a colour of the palette with some ink, so that it stands out on a light and on a dark ground. */
  const tone = (colour, ink) => (colour === "#000000" ? ink : `color-mix(in srgb, ${colour} 75%, ${ink})`);

  /** Return at most seven round ticks from 0 to a maximum. */
  function ticks(most) {
    const rough = most / 6;
    const ten = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(one => one * ten).find(one => one >= rough);
    return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, one) => one * step);
  }

  /** Draw a panel into a host of some width; curves: of the panel, those that are shown. */
  function draw(host, panel, curves, tell) {
    const { color: ink, borderTopColor: line } = getComputedStyle(host);
    const series = [{}];
    const bands = [];
    const tables = [];
    for (const curve of curves) {
      const stroke = tone(curve.colour, ink);
      const paths = curve.step ? uPlot.paths.stepped({ align: curve.step === "post" ? 1 : -1 }) : uPlot.paths.linear();
      const shared = { paths, points: { show: curve.x.length < 20 && !curve.step, size: 6 } };
      series.push({ ...shared, stroke, width: curve.width * 1.3, dash: DASHES[curve.line] });
      tables.push([curve.x, curve.y]);
      if (curve.low.some(one => one !== null)) {
        const edge = { paths, points: { show: false }, stroke: "transparent", width: 0 };
        series.push(edge, edge);
        bands.push({ series: [series.length - 2, series.length - 1], fill: `color-mix(in srgb, ${stroke} 13%, transparent)` });
        tables.push([curve.x, curve.high, curve.low]);
      }
    }
    const most = Math.max(...panel.curves.flatMap(curve => curve.x));
    const least = Math.min(...panel.curves.flatMap(curve => curve.x));
    const across = panel.x.log ? { distr: 3, range: [least / 1.3, most * 1.3] } : { range: [0, most] };
    const axis = { stroke: ink, font: FONT, labelFont: FONT, labelSize: 20, ticks: { stroke: line, width: 1 }, grid: { stroke: line, width: 1 } };
    const decades = { values: (_, found) => found.map(one => (one === null ? "" : short(one))) };
    const axes = [{ ...axis, label: panel.x.label, size: 40, ...(panel.x.log ? decades : {}) }, { ...axis, label: panel.y.label, size: 48 }];
    if (panel.x.unit) {
      const { scale, unit } = panel.x;
      const splits = panel.x.log ? {} : { splits: () => ticks(most * scale).map(one => one / scale) };
      const values = (_, found) => found.map(one => (one === null ? "" : short(one * scale)));
      axes.push({ ...axis, scale: "x", side: 0, label: unit, size: 34, ...splits, values, grid: { show: false } });
    }
    const options = {
      width: host.clientWidth, height: HEIGHT, series, bands, axes, legend: { show: false },
      scales: { x: { time: false, ...across }, y: { range: [-2, 102] } },
      cursor: { drag: { x: false, y: false }, points: { show: false }, y: false },
      hooks: { setCursor: [plot => tell(plot.cursor.idx == null ? null : plot.data[0][plot.cursor.idx])] },
    };
    return new uPlot(options, tables.length ? uPlot.join(tables) : [[0, most]], host);
  }

  /** Return a sample of a curve's line. */
  function sample(curve) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 36 12");
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("d", "M0 6H36");
    line.setAttribute("stroke", tone(curve.colour, "currentColor"));
    line.setAttribute("stroke-width", 1.6 * curve.width);
    line.setAttribute("stroke-dasharray", DASHES[curve.line].join(" "));
    svg.append(line);
    return svg;
  }

  /** Fill the table of a panel's values, one row for each x. */
  function fill(region, panel) {
    const table = element("table", "");
    const head = element("tr", "", element("thead", "", table));
    for (const text of [panel.x.label, ...(panel.x.unit ? [panel.x.unit] : []), ...panel.curves.map(one => one.title)]) {
      element("th", text, head).scope = "col";
    }
    const body = element("tbody", "", table);
    for (const x of [...new Set(panel.curves.flatMap(curve => curve.x))].sort((one, other) => one - other)) {
      const row = element("tr", "", body);
      element("th", panel.x.unit || panel.x.log ? short(x) : percent(x), row).scope = "row";
      if (panel.x.unit) element("td", short(x * panel.x.scale), row);
      for (const curve of panel.curves) element("td", at(curve, x) ?? "", row);
    }
    region.replaceChildren(table);
    region.setAttribute("aria-label", `Values of ${panel.title}`);
  }

  /** Put the chart of a figure in place of its image. */
  function chart(figure, panels) {
    const name = `Figure ${figure.dataset.chart}`;
    figure.insertBefore(controls.content.cloneNode(true), figure.querySelector("figcaption"));
    figure.classList.add("charted");
    const find = selector => figure.querySelector(selector);
    const [select, printed, host, readout, list, values] = [
      "select", ".chart-bar button", ".chart-plot", ".chart-readout", ".chart-curves", ".chart-values"].map(find);
    select.setAttribute("aria-label", `Panel of ${name}`);
    panels.forEach((panel, number) => select.append(new Option(panel.title, number)));
    let plot = null;
    let panel = panels[0];

    function tell(x) {
      if (x === null) return;
      const told = element("ul", "");
      const found = panel.curves.filter(curve => curve.shown && at(curve, x));
      found.forEach(curve => element("li", `${curve.title}: ${at(curve, x)}`, told));
      readout.replaceChildren(element("b", place(panel, x)), told);
    }
    function redraw() {
      if (plot) plot.destroy();
      plot = draw(host, panel, panel.curves.filter(curve => curve.shown), tell);
      readout.replaceChildren("Point at the chart, or focus it and press the arrow keys, to read values.");
    }
    function show() {
      panel = panels[select.value];
      host.setAttribute("aria-label", `${name}, ${panel.title}: ${panel.y.label} over ${panel.x.label}. Arrow keys read values.`);
      list.replaceChildren(list.firstElementChild, ...panel.curves.map(curve => {
        const label = element("label", "");
        const box = label.appendChild(Object.assign(document.createElement("input"), { type: "checkbox", checked: curve.shown }));
        box.addEventListener("change", () => { curve.shown = box.checked; redraw(); });
        label.append(sample(curve), curve.title);
        return label;
      }));
      if (values.open) fill(values.lastElementChild, panel);
      redraw();
    }
    select.addEventListener("change", show);
    values.addEventListener("toggle", () => values.open && fill(values.lastElementChild, panel));
    printed.addEventListener("click", () => {
      printed.setAttribute("aria-pressed", figure.classList.toggle("printed"));
      if (!figure.classList.contains("printed")) redraw();
    });
    host.addEventListener("keydown", event => {
      const last = plot.data[0].length - 1;
      const now = plot.cursor.idx ?? -1;
      const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      const x = plot.data[0][Math.min(Math.max(next, 0), last)];
      plot.setCursor({ left: plot.valToPos(x, "x"), top: 10 });
    });
    new ResizeObserver(() => host.clientWidth && plot.setSize({ width: host.clientWidth, height: HEIGHT })).observe(host);
    new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    show();
  }

  const near = new IntersectionObserver(entries => {
    for (const { target } of entries.filter(one => one.isIntersecting)) {
      near.unobserve(target);
      chart(target, figures[target.dataset.chart]);
    }
  }, { rootMargin: "400px" });
  document.querySelectorAll("figure[data-chart]").forEach(figure => near.observe(figure));
})();
