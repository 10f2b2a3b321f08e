"""Stage `repeat` on a tiny real pipeline: only the seed of training differs, and a kill costs no finished training.

With the run's own seed it gives the rows of the stages train, harden and attack, which no stage asks for.
"""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from test_pipeline import small_params, write_own_model, write_raw_tree
from toy_pipeline import COPIED, REPOSITORY, run, write_params

from oncorobust.base.layout import repeat_state
from oncorobust.report.tables.row_statistics import read_rows

pytestmark = [pytest.mark.slow, pytest.mark.long]

MODELS = ("clean", "adversarial")
SCRIPT = """
from pathlib import Path

from oncorobust.pipeline import repeated_training as stage
from oncorobust.settings.load import load_params
from oncorobust.training import recipes

def refused(*_, **__):
    raise SystemExit(3)

exec(Path("change.txt").read_text())
stage.write_repeat("slices", 0, stage.repeated_rows("slices", 0, load_params()))
"""


def execute(folder: Path, change: str, *, status: int = 0) -> None:
    """Repeat with the run's own seed, which the script would refuse; change: of a function, for a kill.

    The change stands in a file of its own: a state belongs to the code of the script too.
    """
    (folder / "own_seed.py").write_text(SCRIPT)
    (folder / "change.txt").write_text(change)
    run(folder, "python own_seed.py", status=status)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stages up to attack, and one repeat."""
    folder = tmp_path_factory.mktemp("repeat")
    for name in COPIED:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy(REPOSITORY / name, folder / name)
    content = small_params(vgg16=False)
    content["run"]["seeds"] = [1]
    write_params(folder, content)
    write_raw_tree(folder / "data" / "raw" / "slices")
    write_own_model(folder)
    run(folder, "oncorobust graph")
    for words in ("preprocess", "train", "harden", "attack --model clean", "attack --model adversarial"):
        stage, _, options = words.partition(" ")
        run(folder, f"python workflow/scripts/{stage}.py --dataset slices {options}")
    run(folder, "python workflow/scripts/repeat.py --dataset slices --seed 1")
    return folder


def rows_of(folder: Path, seed: int | None, model: str, name: str) -> pd.DataFrame:
    """The rows of a model of a repeat; seed None: of the stages of the run, at the epsilon of Table S5."""
    if seed is not None:
        rows = read_rows(folder / f"reports/slices/seeds/{seed}/{name}.csv")
        return rows[rows["model"] == model].drop(columns="model").reset_index(drop=True)
    rows = read_rows(folder / f"reports/slices/{model}/{name}.csv")
    if name == "predictions":
        rows = rows[rows["epsilon"].isin([0.0, small_params(vgg16=False)["report"]["adversarial_training_epsilon"]])]
    return rows.reset_index(drop=True)


@pytest.mark.parametrize("model", MODELS)
def test_another_seed_of_training_gives_another_model_and_the_same_attacked_images(folder: Path, model: str) -> None:
    for name, differs in (("predictions", "margin"), ("intervals", "first_flipped")):
        main, repeated = (rows_of(folder, seed, model, name) for seed in (None, 1))
        same = [
            one for one in ("image_id", "patient_id", "label", "attack", "epsilon", "attacked_label") if one in main
        ]
        pd.testing.assert_frame_equal(repeated[same], main[same])
        assert list(repeated) == list(main)
        assert (repeated[differs] != main[differs]).mean() > 0.3
    assert not (folder / repeat_state("slices", 1)).exists()


def test_the_runs_own_seed_gives_the_rows_of_the_run_after_a_kill_too(folder: Path) -> None:
    execute(folder, "stage.hardened_model = refused", status=3)
    assert (folder / repeat_state("slices", 0) / ".clean.state").is_file()
    execute(folder, "recipes.compile_clean_step = lambda *_: refused")  # no step of the clean training runs again
    for model in MODELS:
        for name in ("predictions", "intervals"):
            pd.testing.assert_frame_equal(rows_of(folder, 0, model, name), rows_of(folder, None, model, name))


def test_a_seed_that_params_lacks_is_refused(folder: Path) -> None:
    told = run(folder, "python workflow/scripts/repeat.py --dataset slices --seed 2", status=1)
    assert "expected --seed of run.seeds in params.yaml, which is [1], got 2" in told
