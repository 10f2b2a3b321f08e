"""`oncorobust export`: write a model of the repository for use in ONNX Runtime or plain PyTorch.

    KERAS_BACKEND=torch oncorobust export lidc adversarial --to onnx [--out FILE]

`--to safetensors` writes the weights of a network of PyTorch, ONNX, timm or MONAI under their names in plain PyTorch.
For the other forms:

The preprocessing is inside: the file takes images (n, 3, h, w) float32 in [0, 1] and gives logits. FILE.json beside it
names the classes, and what 0 and 1 stand for. The same model gives the same bytes with the same versions of packages.
"""

import argparse
import os
from pathlib import Path

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.settings.load import load_params
from oncorobust.settings.pipeline import Params

FORMS = ("onnx", "pt2", "safetensors")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `oncorobust export`."""
    parser.add_argument("dataset", metavar="DATASET", help="a data set of run.datasets")
    parser.add_argument("model", metavar="MODEL", help=f"one of {', '.join(layout.TRAINED)}")
    parser.add_argument(
        "--to",
        required=True,
        choices=FORMS,
        help="onnx; pt2 for torch.export.load; safetensors for the weights of a PyTorch network alone",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help=f"the file (default: {_place('DATASET', 'MODEL', 'FORM')}); what it takes and gives is "
        "written to FILE.json",
    )


def run(args: argparse.Namespace) -> int:
    """Export a model of the repository in the current folder. Returns the exit status."""
    params = load_params("params.yaml")
    _check(args, params)
    out = args.out or Path(_place(args.dataset, args.model, args.to))
    if out.suffix != f".{args.to}":
        raise InputError(f"expected a file name that ends in .{args.to}, got {out}")
    _prepare(params)
    from oncorobust.pipeline.exported_model import export_model

    content = export_model(args.dataset, args.model, form=args.to, out=out)
    print("\n".join(_lines(content, out)))
    return 0


def _place(dataset: str, model: str, form: str) -> str:
    return f"{layout.model_folder(dataset)}/{model}.{form}"


def _check(args: argparse.Namespace, params: Params) -> None:
    from oncorobust.pipeline.made_files import check_made

    if args.dataset not in params.run.datasets:
        raise InputError(
            f"expected a data set of run.datasets ({', '.join(params.run.datasets)}), got {args.dataset!r}"
        )
    known = params.datasets[args.dataset].trained_models
    if args.model not in known:
        raise InputError(f"expected a model of {args.dataset} ({', '.join(known)}), got {args.model!r}")
    check_made(layout.model_file(args.dataset, args.model), layout.summary_file(args.dataset))


def _prepare(params: Params) -> None:
    """Start Keras on PyTorch. Raises InputError for another backend."""
    from oncorobust.backend.runtime import prepare

    if (found := os.environ.get("KERAS_BACKEND") or "tensorflow") != "torch":
        raise InputError(
            f"oncorobust export needs Keras on PyTorch, got Keras on {found}: KERAS_BACKEND=torch oncorobust export ..."
        )
    prepare(threads=params.run.threads, seed=0)


def _lines(content: dict[str, object], out: Path) -> list[str]:
    difference, by = content["largest_difference"], content["compared_with"]
    compared = f"relative difference of logits at most {difference:.2g} in {by}" if by else "not compared"
    mark = [f"oncorobust: {content['mark']}"] if content["mark"] else []
    return [f"Wrote {out} and {out.name}.json ({compared})", *mark]
