"""Write the results for other programs: JSON, LaTeX, XLSX, model cards, bills of materials and BibTeX."""

from oncorobust.pipeline.stage import parse, run
from oncorobust.pipeline.stages.exchange import exchange
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the tables, the gates and what describes each model; write the files for exchange."""
    parse()
    exchange(load_params())


if __name__ == "__main__":
    run(main)
