# Included before `configfile:`, which is the point: Snakemake runs a parameter file that asks for it (`__use_yte__`) as a
# template with Python in it. A params.yaml from somebody else is therefore read and checked here first, as plain YAML.
import os
import sys
from pathlib import Path

# Scripts find the library here also inside a conda environment, in which the package itself is not installed.
SOURCE = str(Path("src").resolve())
os.environ.update(PYTHONPATH=SOURCE)
sys.path.insert(0, SOURCE)

from oncorobust.base.errors import InputError
from oncorobust.settings.load import load_params

try:
    load_params("params.yaml")
except InputError as error:
    raise WorkflowError(str(error)) from None
