"""Write the paper's tables and those of the strict protocol, and record the source of each cell."""

from pathlib import Path

from oncorobust.base.files import whole_outputs, write_csv
from oncorobust.base.layout import CELLS, results_file
from oncorobust.base.schema.version import read_results, write_results
from oncorobust.pipeline.stage import parse, run
from oncorobust.report.tables.build import build_tables
from oncorobust.report.tables.cell import tables_to_json
from oncorobust.report.tables.render import to_frame, to_markdown
from oncorobust.settings.load import load_params


def main() -> None:
    """Read all metrics, and write Tables 1, 2, S5, G and T as CSV and Markdown, and cells.json."""
    parse()
    params = load_params()
    attack, rank = (
        {
            name: {model: read_results(results_file(name, model, file)) for model in of}
            for name, of in params.models.items()
        }
        for file in ("attack.json", "rank.json")
    )
    epsilons, threats = params.attacks.table_epsilons, params.attacks.threats
    tables = build_tables(attack, rank, report=params.report, table_epsilons=epsilons, threats=threats)
    csv = [Path(table.file) for table in tables]
    markdown = [path.with_suffix(".md") for path in csv]
    with whole_outputs(*csv, *markdown, CELLS) as drafts:
        for position, table in enumerate(tables):
            write_csv(drafts[position], to_frame(table))
            drafts[len(tables) + position].write_text(to_markdown(table), encoding="utf-8")
        write_results(drafts[-1], tables_to_json(tables))


if __name__ == "__main__":
    run(main)
