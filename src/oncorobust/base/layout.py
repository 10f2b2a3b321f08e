"""Paths of the pipeline's files, and the names of the models. The Snakefile and dvc.yaml use the same paths.

All paths are relative to the root of the repository and use forward slashes.
"""

CLEAN = "clean"
"""Model trained on clean images."""

ADVERSARIAL = "adversarial"
"""The clean model trained further on adversarial images."""

MODELS = (CLEAN, ADVERSARIAL)
"""The models of a data set that are attacked, in the order of their training."""

NOISE = "noise"
"""The clean model trained further under noise, for certificates; it is not attacked."""

TRAINED = (*MODELS, NOISE)
"""All models of a data set, in the order of their training."""

TRAINING_FILES = ("training.json", "history.csv", "curves.png")
"""Files of a model's results that describe its training."""

DATA_FOLDER = "data"
MODELS_FOLDER = "models"
REPORTS_FOLDER = "reports"
LOGS_FOLDER = "logs"
OWN_MODELS_FOLDER = "own"
"""Folder into which `oncorobust assess` links the model that it assesses."""
ASSESSMENT = "assessment.json"
"""What `oncorobust assess` has assessed, with which versions, and how far it has come."""
ASSESSMENT_LOCK = ".assess.lock"
ASSESSMENT_LOG = f"{LOGS_FOLDER}/assess.log"
RAW_TREES = f"{DATA_FOLDER}/raw"
RAW_TREE_FILE = "raw_tree.csv"
"""Name of the fingerprint of the raw tree that a processed data set was made from."""

PAGE = f"{REPORTS_FOLDER}/index.html"
TABLES = f"{REPORTS_FOLDER}/tables"
FIGURES = f"{REPORTS_FOLDER}/figures"
FIGURE_FORMS = ("png", "svg", "pdf")
CURVES = f"{FIGURES}/curves.json"
"""Values of the curves of Figures 2 to 5 and 8, which the page draws again as charts."""
CELLS = f"{TABLES}/cells.json"
POINTS = f"{FIGURES}/points.json"
"""Every point that the figures draw, with its sources, in the form of cells.json."""
METRICS = f"{REPORTS_FOLDER}/metrics.json"
"""Every number of the tables with its interval, for `dvc metrics diff --targets`."""
GATES = f"{TABLES}/validity.json"
"""Checks of the validity gate on all models, and the mark of results with a red check."""
RESULTS = f"{REPORTS_FOLDER}/results.json"
"""Every number of the tables, for other programs."""
WORKBOOK = f"{TABLES}/tables.xlsx"
CARDS = f"{REPORTS_FOLDER}/cards"
CITATIONS = f"{REPORTS_FOLDER}/citations.bib"
ROBUST_POINTS = f"{REPORTS_FOLDER}/plots/robust_accuracy.csv"
TRAINING_POINTS = f"{REPORTS_FOLDER}/plots/training_curves.csv"
"""Points of the curves that `dvc plots show` draws."""
ACCEPTANCE = f"{REPORTS_FOLDER}/acceptance"
DECLARATIONS = f"{ACCEPTANCE}/declared"
BENCHMARKS = f"{LOGS_FOLDER}/benchmarks"
SNAKEFILE = "Snakefile"
CATALOG_SNAKEFILE = "workflow/Snakefile"
"""Includes the Snakefile of the root, for the Snakemake workflow catalog; a project has no use for it."""
SOURCE = "src"
PACKAGE = "oncorobust"
ESTIMATES = f"{LOGS_FOLDER}/estimates"
"""Times that `oncorobust add` expected, by data set, which `oncorobust usage` compares with those that jobs took."""
SCRIPTS = "workflow/scripts"
CODE = "workflow/code"
RESOURCES = "workflow/resources.yaml"
PLOTS = "workflow/plots"
"""Folder of the templates of DVC's plots."""
PRESETS = "presets"
SHIPPED = "repository"
"""Folder of the installed package that holds the workflow: the files of the repository, below the same paths."""
PROJECT = "oncorobust.json"
"""Record of a project that `oncorobust init` has made: the version of the package, and the files that it wrote."""
CACHE = ".cache"
"""Folder of what only saves time, and of libraries' files where there is no home folder; git and DVC ignore it."""
HOME = f"{CACHE}/home"
"""Home folder of processes whose own cannot be used; ignored by git."""
PRECISIONS = f"{CACHE}/precisions.json"
"""The fastest precision of a search on each machine that ran one; ignored by git."""
CODE_STAMPS = f"{CACHE}/code"
"""The state of the code in which each stage's digests were last found right; ignored by git."""
PACKAGE_LINKS = f"{CACHE}/package"
"""Folder of a link to the installed package, for the jobs of a project; ignored by git."""
DVC_CACHE = f"{CACHE}/dvc"
"""DVC's records of the files that it has seen, where /var/tmp cannot be written; ignored by git."""


def stage_command(stage: str, *, project: bool) -> str:
    """Return the command that runs a stage: a script of the repository, or of the installed package in a project."""
    return f"python -m oncorobust.cli.stage {stage}" if project else f"python {SCRIPTS}/{stage}.py"


def models(*, hardened: bool) -> tuple[str, ...]:
    """Return the models of a data set that are attacked: all, or the clean model alone where `harden` is null."""
    return MODELS if hardened else (CLEAN,)


def trained_models(*, hardened: bool, smoothed: bool) -> tuple[str, ...]:
    """Return all models of a data set; `noise` where `smooth` is not null."""
    return (*models(hardened=hardened), *((NOISE,) if smoothed else ()))


def raw(dataset: str) -> str:
    """Return the folder of a raw tree."""
    return f"{RAW_TREES}/{dataset}"


def processed(dataset: str) -> str:
    """Return the folder of a processed data set."""
    return f"{DATA_FOLDER}/processed/{dataset}"


def processed_files(dataset: str) -> list[str]:
    """Return the files of a processed data set: images, index, summary, contact sheet, fingerprint of its raw tree."""
    names = ("images.npy", "index.csv", "summary.json", "contact_sheet.png", RAW_TREE_FILE)
    return [f"{processed(dataset)}/{name}" for name in names]


def summary_file(dataset: str) -> str:
    """Return the file that describes a processed data set."""
    return f"{processed(dataset)}/summary.json"


def index_file(dataset: str) -> str:
    """Return the file with a row for each processed image."""
    return f"{processed(dataset)}/index.csv"


def images_file(dataset: str) -> str:
    """Return the file of the processed images."""
    return f"{processed(dataset)}/images.npy"


def raw_tree_file(dataset: str) -> str:
    """Return the file with the fingerprint of the raw tree that a processed data set was made from."""
    return f"{processed(dataset)}/{RAW_TREE_FILE}"


def hashes_file(dataset: str) -> str:
    """Return the file, ignored by git and DVC, with the MD5 and the times of the files of a raw tree."""
    return f"{CACHE}/raw/{dataset}.json"


def estimate_file(dataset: str) -> str:
    """Return the file with the expected seconds of a data set's stages."""
    return f"{ESTIMATES}/{dataset}.json"


def model_folder(dataset: str) -> str:
    """Return the folder of a data set's models."""
    return f"{MODELS_FOLDER}/{dataset}"


def model_file(dataset: str, model: str) -> str:
    """Return the file of a model, `clean`, `adversarial` or `noise`."""
    return f"{model_folder(dataset)}/{model}.keras"


def answers_file(dataset: str, model: str) -> str:
    """Return the file with a model's logits on fixed images."""
    return f"{model_folder(dataset)}/{model}.answers.json"


def results(dataset: str, model: str) -> str:
    """Return the folder of a model's results."""
    return f"{REPORTS_FOLDER}/{dataset}/{model}"


def results_file(dataset: str, model: str, name: str) -> str:
    """Return a file of a model's results, such as attack.json."""
    return f"{results(dataset, model)}/{name}"


CERTIFICATES = ("certificates.csv", "certify.json")
"""Files of a model's results that only data sets with `certify` in params.yaml have."""

ACQUISITION = ("acquisition.csv", "acquisition.json", "acquisition.png")
"""Files of a model's results that only data sets with `acquisition` in params.yaml have."""


def row_files(dataset: str, model: str) -> list[str]:
    """Return the files of per-image rows by which a model is judged."""
    return [results_file(dataset, model, name) for name in ("predictions.csv", "intervals.csv")]


def repeat_file(dataset: str, seed: int | str, name: str) -> str:
    """Return a file of the rows of models trained with another seed, `predictions.csv` or `intervals.csv`."""
    return f"{REPORTS_FOLDER}/{dataset}/seeds/{seed}/{name}"


def repeat_state(dataset: str, seed: int) -> str:
    """Return the folder of the models and the saved state of a repeated training, which is removed at its end."""
    return f"{model_folder(dataset)}/.seed-{seed}"


def acceptance_file(policy: str) -> str:
    """Return the file with the verdicts on a policy, named after the policy's file."""
    return f"{ACCEPTANCE}/{policy}.json"


def declaration_file(policy: str, md5: str) -> str:
    """Return the file that records when a policy with this content was declared."""
    return f"{DECLARATIONS}/{policy}-{md5}.json"


def table_file(name: str) -> str:
    """Return the CSV file of a table, such as `table1`."""
    return f"{TABLES}/{name}.csv"


FIGURE_NUMBERS = tuple(range(1, 9))
"""Of the figures of a run."""


def figure_file(number: int, form: str) -> str:
    """Return the file of Figure `number`; form: one of FIGURE_FORMS."""
    return f"{FIGURES}/figure{number}.{form}"


def front_file(dataset: str, form: str) -> str:
    """Return the file of a data set's clean-against-robust front; form: `png` or `csv`."""
    return f"{REPORTS_FOLDER}/{dataset}/front.{form}"


def headline_file(dataset: str, model: str) -> str:
    """Return the file of the few numbers of a model that `dvc metrics show` prints."""
    return results_file(dataset, model, "headline.yaml")


def latex_file(csv: str) -> str:
    """Return the LaTeX file of the table with this CSV file."""
    return f"{csv.removesuffix('.csv')}.tex"


def card_file(dataset: str, model: str) -> str:
    """Return the file of a model's card."""
    return f"{CARDS}/{dataset}-{model}.md"


def bom_file(dataset: str, model: str) -> str:
    """Return the file of a model's bill of materials, in CycloneDX."""
    return f"{CARDS}/{dataset}-{model}.cdx.json"
