// Opens a dialog with the origin of a number. Without this script the numbers stand in the tables as they are.
(() => {
  const dialog = document.getElementById("trace-dialog");
  const source = document.getElementById("trace-data");
  if (!dialog || !source || !dialog.showModal) return;
  const data = JSON.parse(source.textContent);
  const body = document.getElementById("trace-body");
  let opener = null;

  const element = (name, ...children) => {
    const made = document.createElement(name);
    made.append(...children);
    return made;
  };
  const listed = (items) => element("ul", ...items.map((one) => element("li", element("code", one))));
  const folded = (title, ...children) => element("details", element("summary", title), ...children);
  const quoted = (word) => (/^[\w.:/-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

  const keyOf = (cell) => {
    const { row, column, field } = cell.dataset;
    return [cell.closest("[data-table]").dataset.table, row, column, field].join("|");
  };

  function command(table, row, column, field) {
    const place = row === column ? ["--row", row] : ["--row", row, "--column", column];
    return [data.command, ...[table, ...place, "--field", field].map(quoted)].join(" ");
  }

  function stage(one) {
    const modules = one.modules.map((at) => `${data.modules[at][0]}, digest ${data.modules[at][1]}`);
    const code = modules.length ? [folded(`Script and ${modules.length - 1} modules`, listed(modules))] : [];
    const parameters = listed(one.parameters.map((at) => data.texts[at]));
    return folded(one.command, element("p", "Parameters"), parameters, ...code);
  }

  function show(key, text) {
    const [words, interval, terms, files, stages] = data.cells[key];
    const [table, row, column, field] = key.split("|");
    const md5 = ([path, found]) => `${path}, MD5${found ? ` ${found}` : ": the command states it"}`;
    body.replaceChildren(
      element("p", element("b", text)),
      element("p", `${table}, row ${row}, data set ${column}: ${data.texts[words]}.`),
      element("p", data.texts[interval]),
      element("h3", "Computed from"),
      listed(terms.map((at) => data.texts[at])),
      element("h3", "Files, model and images"),
      listed(files.map((at) => md5(data.files[at]))),
      element("h3", "Stages, last one first"),
      ...stages.map((at) => stage(data.stages[at])),
      element("h3", "Trace and compute again"),
      element("pre", command(table, row, column, field)),
    );
    dialog.showModal();
  }

  for (const cell of document.querySelectorAll("[data-table] [data-field], [data-table][data-field]")) {
    if (!(keyOf(cell) in data.cells) || !cell.textContent.trim()) continue;
    const button = element("button", ...cell.childNodes);
    button.type = "button";
    button.className = "trace-open";
    button.title = "Where this number comes from";
    cell.append(button);
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".trace-open");
    if (!button) return;
    opener = button;
    show(keyOf(button.closest("[data-field]")), button.textContent);
  });
  dialog.addEventListener("close", () => opener?.focus());
})();
