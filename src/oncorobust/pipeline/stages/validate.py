"""The checks of the validity gate on one model: the stage `validate`."""

from oncorobust.base.files import whole_outputs
from oncorobust.base.layout import results_file
from oncorobust.base.schema.version import write_results
from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.resampling import LEVEL, N_DRAWS
from oncorobust.evaluation.validity import checks_to_json
from oncorobust.evaluation.validity_gate import judge_model
from oncorobust.pipeline.validity_evidence import read_evidence
from oncorobust.settings.pipeline import Params


def validate(dataset: str, model: str, params: Params) -> None:
    """Read the stored rows and metrics of a model, and write its checks.

    Raises InputError naming a file that is missing or unreadable.
    """
    evidence = read_evidence(dataset, model, settings=params.datasets[dataset])
    seed = child_seed(params.seed, dataset, "validate")
    checks = judge_model(evidence, level=LEVEL, n_draws=N_DRAWS, seed=seed)
    about = {"dataset": dataset, "model": model, "synthetic": evidence.metrics["synthetic"]}
    with whole_outputs(results_file(dataset, model, "validity.json")) as (draft,):
        write_results(draft, about | {"checks": checks_to_json(checks)})
