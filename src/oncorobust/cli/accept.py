"""`oncorobust accept`: judge the results of the repository by a policy, or declare the policy before a run.

    oncorobust accept policy.yaml [--json]
    oncorobust accept --declare policy.yaml

The exit status is 0 if all requirements are met, 1 if one is not met, 2 if the verdict is undecided, and 3 after an
error in the input. A policy that was not declared before the results is named on standard error.
"""

import argparse
import json
import sys
from pathlib import Path

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.settings.load import load_params
from oncorobust.settings.pipeline import Params

STATUS = {"met": 0, "not met": 1, "undecided": 2}
ERROR = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `oncorobust accept`."""
    parser.add_argument("policy", metavar="POLICY", help="the policy, a YAML file in the repository")
    parser.add_argument(
        "--declare", action="store_true", help="record the policy before the results are made; no verdict"
    )
    parser.add_argument("--json", action="store_true", help="print the content of the verdict file")
    parser.epilog = "Exit status: 0 met, 1 not met, 2 undecided, 3 error."


def run(args: argparse.Namespace) -> int:
    """Judge or declare a policy of the repository in the current folder. Returns the exit status."""
    try:
        path, params = _inside(args.policy), load_params("params.yaml")
        return _declare(path, params) if args.declare else _judge(path, params, as_json=args.json)
    except InputError as error:
        print(f"oncorobust: {error}", file=sys.stderr)
        return ERROR


def _inside(policy: str) -> str:
    """Return the path of a policy relative to the repository."""
    path, root = Path(policy).resolve(), Path.cwd().resolve()
    if not path.is_relative_to(root):
        raise InputError(f"expected a policy inside the repository {root}, got {policy}")
    return path.relative_to(root).as_posix()


def _declare(path: str, params: Params) -> int:
    from oncorobust.pipeline.declaration import all_row_files, declare, policy_md5
    from oncorobust.settings.policy import check_policy, load_policy

    check_policy(load_policy(path), params, where=path)
    declared = declare(Path(), path, rows=all_row_files(params))
    file = layout.declaration_file(Path(path).stem, policy_md5(Path(), path))
    print(f"{path} is declared with MD5 {declared.md5} in {file}: commit both before the run")
    if declared.known:
        print(f"{len(declared.known)} row files were known before: for these the policy is not declared in advance")
    return 0


def _judge(path: str, params: Params, *, as_json: bool) -> int:
    from oncorobust.pipeline.policy_verdicts import judge_policy
    from oncorobust.report.verdict_text import verdict_lines

    content = judge_policy(path, params)
    print(
        json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
        if as_json
        else "\n".join(verdict_lines(content))
    )
    if content["declaration"]["state"] != "declared before":
        print(f"oncorobust: WARNING: {content['declaration']['sentence']}", file=sys.stderr)
    return STATUS[content["outcome"]]
