"""Judge whether a model's numbers under attack can be believed, and write the checks of the validity gate."""

from oncorobust.base.files import whole_outputs
from oncorobust.base.layout import results_file
from oncorobust.base.schema.version import write_results
from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.resampling import LEVEL, N_DRAWS
from oncorobust.evaluation.validity import checks_to_json
from oncorobust.evaluation.validity_gate import judge_model
from oncorobust.pipeline.stage import parse, run
from oncorobust.pipeline.validity_evidence import read_evidence
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the stored rows and metrics of a model, and write its checks."""
    arguments, params = parse("dataset", "model"), load_params()
    dataset, model = arguments.dataset, arguments.model
    evidence = read_evidence(dataset, model, settings=params.datasets[dataset])
    seed = child_seed(params.seed, dataset, "validate")
    checks = judge_model(evidence, level=LEVEL, n_draws=N_DRAWS, seed=seed)
    about = {"dataset": dataset, "model": model, "synthetic": evidence.metrics["synthetic"]}
    with whole_outputs(results_file(dataset, model, "validity.json")) as (draft,):
        write_results(draft, about | {"checks": checks_to_json(checks)})


if __name__ == "__main__":
    run(main)
