"use strict";
// The table of images: sorts and filters columns of numbers, and puts only the visible rows into the document.

(() => {
  const source = document.getElementById("images-data");
  if (!source) return;
  const { datasets } = JSON.parse(source.textContent);
  const place = document.getElementById("images-table");
  const dialog = document.getElementById("image-detail");
  const ROW = 34; // height of a row in pixels, as in the style sheet
  const AROUND = 10; // rows above and below the visible ones

  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };
  const number = (value, digits) => String(Number(value.toPrecision(digits)));
  const epsilon = (value) => (value === Infinity ? "none found" : number(value, 4));

  // Columns of a data set: a row for every model and image; the models follow one another.
  function columnsOf(data) {
    const n = data.ids.length;
    const ofImages = (values) => data.models.flatMap(() => values);
    const ofModels = (name) => data.models.flatMap((model) => model[name].map((value) => value ?? Infinity));
    const named = (title, codes, names) => ({ title, codes, names, key: (row) => codes[row], text: (row) => names[codes[row]] });
    const numeric = (title, values, text) => ({ title, values, numeric: true, key: (row) => values[row], text: (row) => text(values[row]) });
    const ids = ofImages(data.ids);
    const models = data.models.flatMap((_, at) => Array(n).fill(at));
    const label = ofImages(data.label);
    const predicted = ofModels("predicted");
    const right = label.map((one, row) => (one === predicted[row] ? 0 : 1));
    return {
      id: { title: "Image", key: (row) => ids[row], text: (row) => ids[row] },
      patient: named("Patient", ofImages(data.patient), data.patients),
      model: named("Model", models, data.models.map((one) => one.name)),
      label: { ...named("Class", label, data.classes), key: (row) => data.classes[label[row]] },
      predicted: { ...named("Predicted", predicted, data.classes), key: (row) => data.classes[predicted[row]] },
      right: named("Without attack", right, ["right", "wrong"]),
      margin: numeric("Margin", ofModels("margin"), (value) => number(value, 3)),
      safe: numeric("Last safe", ofModels("safe"), epsilon),
      flipped: numeric("First flipped", ofModels("flipped"), epsilon),
      ...Object.fromEntries(data.groups.map((group, at) => [`group${at}`, named(group.name, ofImages(group.codes), group.values)])),
    };
  }

  let data, columns, order, shown, sorted, pending;

  // Controls
  const choice = (title, name, options) => {
    const select = element("select", { name }, ...options.map(([value, text]) => element("option", { value, textContent: text })));
    select.addEventListener("change", filter);
    return element("label", {}, `${title} `, select);
  };
  const field = (title, name) => {
    const input = element("input", { type: "search", name });
    input.addEventListener("input", filter);
    return element("label", {}, `${title} `, input);
  };
  const controls = element("div", { className: "filters" });
  const told = element("p", { className: "soft" });
  told.setAttribute("role", "status");
  const head = element("thead");
  const body = element("tbody");
  const table = element("table", { className: "rows" }, head, body);
  const scroll = element("div", { className: "scroll visible-rows", tabIndex: 0 }, table);
  scroll.setAttribute("role", "region");
  scroll.addEventListener("scroll", () => { pending ??= requestAnimationFrame(draw); });

  function open(key) {
    data = datasets.find((one) => one.key === key);
    columns = columnsOf(data);
    order = everyRow();
    sorted = null;
    const picked = (name) => [["", "all"], ...columns[name].names.map((text, at) => [String(at), text])];
    const dataset = choice("Data set", "dataset", datasets.map((one) => [one.key, one.title]));
    dataset.firstElementChild.value = key;
    dataset.firstElementChild.onchange = (event) => { open(event.target.value); controls.querySelector("[name=dataset]").focus(); };
    const largest = data.epsilons.at(-1)?.[0] ?? 0;
    const at = choice("at epsilon", "epsilon", data.epsilons.map(([value, text]) => [value, `${text} (${number(value * data.unit[0], 3)} ${data.unit[1]})`]));
    at.firstElementChild.value = String(largest);
    controls.replaceChildren(
      dataset,
      choice("Model", "model", picked("model")),
      choice("Class", "label", picked("label")),
      choice("Without attack", "right", picked("right")),
      choice("Flipped", "flips", [["", "all"], ["yes", "flipped"], ["no", "not flipped"]]),
      at,
      ...data.groups.map((group, number) => choice(group.name, `group${number}`, picked(`group${number}`))),
      field("Patient", "patient"),
      field("Search", "search"),
    );
    scroll.setAttribute("aria-label", `All images of ${data.title}`);
    head.replaceChildren(element("tr", {}, ...Object.entries(columns).map(([name, column]) => heading(name, column))));
    filter();
  }

  function heading(name, column) {
    const button = element("button", { type: "button", textContent: column.title });
    button.addEventListener("click", () => sort(name));
    const cell = element("th", { scope: "col", className: column.numeric ? "" : "label" }, button);
    cell.dataset.name = name;
    return cell;
  }

  // Sorting keeps the order of equal rows; infinity is larger than every number.
  function sort(name) {
    sorted = { name, down: sorted?.name === name && !sorted.down };
    for (const cell of head.rows[0].cells) {
      cell.removeAttribute("aria-sort");
      if (cell.dataset.name === name) cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
    }
    const keys = Array.from(everyRow(), columns[name].key);
    const sign = sorted.down ? -1 : 1;
    order = everyRow().sort((one, other) => sign * ((keys[one] > keys[other]) - (keys[one] < keys[other])));
    filter();
  }

  function everyRow() {
    return Int32Array.from({ length: data.ids.length * data.models.length }, (_, row) => row);
  }

  function filter() {
    const value = (name) => controls.querySelector(`[name="${name}"]`).value;
    const tests = [];
    for (const name of ["model", "label", "right", ...data.groups.map((_, at) => `group${at}`)]) {
      const wanted = value(name);
      if (wanted !== "") tests.push((row) => columns[name].codes[row] === Number(wanted));
    }
    const flips = value("flips");
    const within = Number(value("epsilon"));
    if (flips) tests.push((row) => (columns.flipped.values[row] <= within) === (flips === "yes"));
    const patient = value("patient").trim();
    const known = data.patients.indexOf(patient);
    if (known >= 0) tests.push((row) => columns.patient.codes[row] === known);
    else if (patient) tests.push((row) => columns.patient.text(row).includes(patient));
    const search = value("search").trim().toLowerCase();
    const searched = ["id", "patient", "label", "predicted"];
    if (search) tests.push((row) => searched.some((name) => columns[name].text(row).toLowerCase().includes(search)));
    shown = order.filter((row) => tests.every((test) => test(row)));
    told.textContent = `${shown.length} of ${order.length} rows`;
    table.setAttribute("aria-rowcount", String(shown.length + 1));
    scroll.scrollTop = 0;
    draw();
  }

  function draw() {
    pending = undefined;
    const first = Math.max(0, Math.floor(scroll.scrollTop / ROW) - AROUND);
    const last = Math.min(shown.length, first + Math.ceil(scroll.clientHeight / ROW) + 2 * AROUND);
    const rows = [];
    for (let at = first; at < last; at += 1) rows.push(line(shown[at], at));
    body.replaceChildren(space(first), ...rows, space(shown.length - last));
  }

  function space(n) {
    const cell = element("td", { colSpan: Object.keys(columns).length });
    cell.style.height = `${n * ROW}px`;
    return element("tr", { className: "space", hidden: n === 0 }, cell);
  }

  function line(row, at) {
    const { id, ...others } = columns;
    const button = element("button", { type: "button", textContent: id.text(row), title: "Open the image" });
    button.addEventListener("click", () => detail(row));
    const made = element("tr", {}, element("th", { scope: "row", className: "label" }, button),
      ...Object.values(others).map((column) => element("td", { className: column.numeric ? "" : "text", textContent: column.text(row) })));
    made.setAttribute("aria-rowindex", String(at + 2));
    return made;
  }

  function detail(row) {
    const image = row % data.ids.length;
    const model = data.models[Math.floor(row / data.ids.length)];
    const [scale, unit] = data.unit;
    const facts = Object.values(columns).flatMap((column) => {
      const isEpsilon = column === columns.safe || column === columns.flipped;
      const units = isEpsilon && column.values[row] !== Infinity ? ` (${number(column.values[row] * scale, 3)} ${unit})` : "";
      return [element("dt", { textContent: column.title }), element("dd", { textContent: column.text(row) + units })];
    });
    const close = element("button", { type: "button", textContent: "Close" });
    close.addEventListener("click", () => dialog.close());
    const parts = [element("h3", { id: "image-detail-title", textContent: data.ids[image] })];
    if (data.pictures[image]) parts.push(element("img", { className: "thumb", src: data.pictures[image], alt: `Image ${data.ids[image]}` }));
    else parts.push(element("p", { className: "soft", textContent: "The page holds no picture of this image." }));
    parts.push(element("dl", {}, ...facts));
    if (model.anchors[image]) {
      const link = element("a", { href: `#${model.anchors[image]}`, textContent: "Show it in the gallery at every epsilon" });
      link.addEventListener("click", () => dialog.close());
      parts.push(element("p", {}, link));
    }
    dialog.replaceChildren(...parts, close);
    if (!dialog.open) dialog.showModal();
  }

  document.getElementById("images-plain").hidden = true;
  place.append(controls, told, scroll);
  place.hidden = false;
  open(datasets[0].key);
})();
