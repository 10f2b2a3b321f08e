# Read and check params.yaml as plain YAML. The Snakefile includes this file before `configfile:`, so that Snakemake reads
# only a params.yaml that the library accepts.
import os
import sys
from pathlib import Path

# Scripts find the library here, also in a conda environment, where the package itself is not installed: in a clone the
# source, and in a project, which `oncorobust init` has made, a link to the installed package.
if Path("oncorobust.json").is_file():
    from oncorobust.pipeline.shipped import link_package

    SOURCE = link_package(Path("."))
else:
    SOURCE = str(Path("src").resolve())
os.environ.update(PYTHONPATH=SOURCE)
sys.path.insert(0, SOURCE)

from oncorobust.base.errors import InputError
from oncorobust.pipeline.project_record import check_version
from oncorobust.settings.load import load_params

try:
    check_version(Path("."))  # first: another version may know other parameters
    load_params("params.yaml")
except InputError as error:
    raise WorkflowError(str(error)) from None
