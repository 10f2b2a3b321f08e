"""Write the generated pages of the documentation, and the JSON schemas of params.yaml, of policies and of results.json.

    python maintenance/write_reference.py [--into docs] [--schema params.schema.json]

The pages are not committed: `make docs` writes them from the settings, the schema of the results, the argument parser
and the public names of the package. The JSON schemas are committed, because editors and readers of results find them in
the checkout; tests compare them with the code. policy.schema.json and results.schema.json are written beside that of
params.yaml.
"""

import argparse
import ast
import json
import os
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PARAMS_SCHEMA, POLICY_SCHEMA, RESULTS_SCHEMA = "params.schema.json", "policy.schema.json", "results.schema.json"
os.environ["COLUMNS"] = "100"  # argparse wraps its help at the terminal's width


def main() -> None:
    """Write all pages and the schemas."""
    parser = argparse.ArgumentParser(description="Write the generated pages of the documentation.")
    parser.add_argument("--into", type=Path, default=ROOT / "docs", help="folder of the pages")
    parser.add_argument("--schema", type=Path, default=ROOT / "params.schema.json", help="file of the JSON schema")
    parsed = parser.parse_args()
    for name, text in pages().items():
        (parsed.into / name).parent.mkdir(parents=True, exist_ok=True)
        (parsed.into / name).write_text(text, encoding="utf-8")
    for name, schema in schemas().items():
        path = parsed.schema if name == PARAMS_SCHEMA else parsed.schema.with_name(name)
        path.write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON schemas of params.yaml, of policies and of results.json, by their file."""
    from settings_text import params_schema, policy_schema

    from oncorobust.report.exchange.results import results_schema

    return {PARAMS_SCHEMA: params_schema(), POLICY_SCHEMA: policy_schema(), RESULTS_SCHEMA: results_schema()}


def pages() -> dict[str, str]:
    """Return the text of each generated page by its place below docs/."""
    from params_page import params_page, policy_page

    return {
        "reference/params.md": params_page(ROOT),
        "reference/policies.md": policy_page(),
        "reference/results.md": results_page(),
        "reference/command-line.md": command_line_page(),
        "reference/api.md": api_page(),
        "tutorials/results.md": notebook_page(ROOT / "docs" / "tutorials" / "results.ipynb"),
    }


def results_page() -> str:
    """Return the page on every file of results, its columns or keys, types and units."""
    from oncorobust.base.schema.files import DOCUMENTS, TABLES
    from oncorobust.base.schema.version import SCHEMA_VERSION

    parts = [
        "# Results\n\nEvery CSV and JSON file that the pipeline writes. This page is generated from "
        "`src/oncorobust/base/schema/`, and the tests compare each written file with it. The JSON files carry "
        f"`schema_version`, today {SCHEMA_VERSION}; a reader refuses another version. A name in angle brackets stands "
        "for each data set, model, attack and so on. CSV files write infinity as `inf` and booleans as `True` and "
        "`False`. A slash in the name of a key separates the levels of a JSON file. `reports/results.json` has a JSON "
        "schema of its own, `results.schema.json`.\n"
    ]
    for table in TABLES:
        parts.append(
            f"\n## {_code(table.file)}\n\nOne row describes {table.row}.\n\n{_entries('column', table.columns)}"
        )
    for document in DOCUMENTS:
        parts.append(f"\n## {_code(document.file)}\n\nDescribes {document.holds}.\n\n{_entries('key', document.keys)}")
    return "".join(parts)


def _entries(kind: str, entries: Iterable[Any]) -> str:
    rows = (
        f"| {_code(one.name)} | {one.type} | {one.unit} | {_plain(one.meaning)} | {_plain(one.when) or 'always'} |\n"
        for one in entries
    )
    return f"| {kind} | type | unit | meaning | present |\n|---|---|---|---|---|\n{''.join(rows)}"


def _code(text: str) -> str:
    return f"`{text}`"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("_", "\\_").replace("*", "\\*")


def command_line_page() -> str:
    """Return the page on the command `oncorobust`, with the help of each of its commands."""
    parts = [
        "# Command line\n\nRun every command in the root of the repository. After an error in the input a command "
        "prints one line and ends with status 1. This page is generated from the argument parser.\n"
        f"\n```text\n{_parser(None).format_help()}```\n"
    ]
    for name in _commands(None):  # trace and front have their arguments only where they are asked for
        parts.append(f"\n## oncorobust {name}\n\n```text\n{_commands(name)[name].format_help()}```\n")
    return "".join(parts)


def _parser(command: str | None) -> argparse.ArgumentParser:
    from oncorobust.cli.main import build_parser

    return build_parser([command] if command else [])


def _commands(command: str | None) -> dict[str, argparse.ArgumentParser]:
    actions = _parser(command)._actions
    (subparsers,) = (one for one in actions if isinstance(one, argparse._SubParsersAction))
    return dict(subparsers.choices)


def api_page() -> str:
    """Return the page on the public Python API: a directive of mkdocstrings for each public name, by module."""
    parts = [
        "# Python API\n\n`import oncorobust` loads no deep-learning framework; a module is imported when one of its "
        "names is first used. Call `oncorobust.prepare` before anything else imports Keras. Images are float32 arrays "
        "in [0, 1], models return logits, and epsilon is the l_inf radius in [0, 1] units.\n"
    ]
    for module, names in groupby(public_names(), key=lambda pair: pair[0]):
        parts.append(f"\n## {module}\n")
        parts += [f"\n::: {module}.{name}\n    options:\n      heading_level: 3\n" for _, name in names]
    return "".join(parts)


def public_names() -> list[tuple[str, str]]:
    """Return the module and name of each name in `oncorobust.__all__`, sorted."""
    stub = ast.parse((ROOT / "src" / "oncorobust" / "__init__.pyi").read_text(encoding="utf-8"))
    imports = (node for node in stub.body if isinstance(node, ast.ImportFrom))
    return sorted((str(node.module), alias.name) for node in imports for alias in node.names)


def notebook_page(path: Path) -> str:
    """Return a notebook as a page: its text as it is, its code in blocks."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = {"markdown": "{}\n", "code": "```python\n{}\n```\n"}
    return "\n".join(text[cell["cell_type"]].format("".join(cell["source"])) for cell in cells)


if __name__ == "__main__":
    main()
