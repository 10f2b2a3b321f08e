"""The HTML page of a run: the stage `report`."""

from collections.abc import Mapping
from typing import Any

from oncorobust.base import layout
from oncorobust.base.files import whole_outputs
from oncorobust.base.schema.version import read_results
from oncorobust.pipeline.made_files import check_made
from oncorobust.pipeline.page_facts import read_facts
from oncorobust.pipeline.policy_files import by_name
from oncorobust.pipeline.reader_files import read_page_rows, read_reader_files
from oncorobust.pipeline.table_outputs import read_gates
from oncorobust.report.page.charts import read_svg
from oncorobust.report.page.exhibits import read_exhibits
from oncorobust.report.page.parts import read_dataset_part
from oncorobust.report.page.render import render_report
from oncorobust.report.tables.cell import tables_from_json
from oncorobust.report.tables.validity import refuse_red
from oncorobust.settings.pipeline import Params


def report(params: Params, *, assessment: Mapping[str, Any] | None = None) -> None:
    """Read the tables, the figures, the verdicts, the results and the rows of each data set, and write the page.

    assessment: as for `render_report`. Raises InputError where a check is red and the settings say `fail`, or naming a
    file that is missing or unreadable; for verdicts with the command that makes them.
    """
    judged = [layout.acceptance_file(name) for name in by_name(params.acceptance)]
    check_made(*judged)
    trained = {name: dataset.trained_models for name, dataset in params.datasets.items()}
    gates = read_gates()
    if params.validity.on_failure == "fail":
        refuse_red(gates)
    tables = tables_from_json(read_results(layout.CELLS))
    rows = read_page_rows(params, tables)
    parts = [
        read_dataset_part(
            name,
            rows,
            attacked=models,
            trained=trained[name],
            certified=params.certified.get(name, ()),
            rescanned=params.rescanned.get(name, ()),
            seed=params.seed,
        )
        for name, models in params.models.items()
    ]
    summaries, training = {one.key: one.summary for one in parts}, {one.key: one.training for one in parts}
    page = render_report(
        parts,
        tables=tables,
        gates=gates,
        figures=[read_svg(layout.figure_file(number, "svg")) for number in layout.FIGURE_NUMBERS],
        curves=read_results(layout.CURVES),
        verdicts=[read_results(file) for file in judged],
        epsilon=params.report.adversarial_training_epsilon,
        files=read_reader_files(params, rows),
        params=params,
        exhibits={name: read_exhibits(name, models, rows) for name, models in params.models.items()},
        facts=None if assessment else read_facts(summaries=summaries, training=training),
        assessment=assessment,
    )
    with whole_outputs(layout.PAGE) as (draft,):
        draft.write_text(page, encoding="utf-8")
