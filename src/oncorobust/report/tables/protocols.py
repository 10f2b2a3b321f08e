"""Which protocols the results of a run hold: the paper's, the strict one, or both.

    paper   attack.json has accuracies below `robust_accuracy`, rank.json has `accuracy_kept`
    strict  both have a part `strict`

`attacks.protocols` of params.yaml chooses them; here they are read off the results themselves. Tables, figures and the
page compare data sets and models, so all must hold the same: a file that differs is refused by its name. What a
protocol would have filled is left out where it was not run.
"""

from collections.abc import Mapping
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.report.tables.sources import Metrics, results_file
from oncorobust.settings.attacks import Protocol

_LISTED_ATTACKS = {"fgsm", "bim", "pgd"}
_LAST_ATTACK = "converged"


def attack_protocols(attack: Metrics) -> frozenset[Protocol]:
    """The protocols of all attack.json. Raises InputError naming a file that holds others, or none."""
    return _common(
        {
            file: _held(content, paper=any(content.get("robust_accuracy", {}).values()))
            for file, content in _files(attack, "attack.json").items()
        }
    )


def rank_protocols(rank: Metrics) -> frozenset[Protocol]:
    """The protocols of all rank.json. Raises InputError naming a file that holds others, or none."""
    return _common(
        {file: _held(content, paper="accuracy_kept" in content) for file, content in _files(rank, "rank.json").items()}
    )


def strict_attacks(attack: Metrics) -> tuple[str, ...]:
    """The attacks of the strict protocol in the order they were run; each stands for itself and all before it.

    Raises InputError naming a file whose attacks are others than the first file's, lack one of Table 1, or do not end
    in the converged one.
    """
    lists = {file: tuple(content["strict"]["attacks"]) for file, content in _files(attack, "attack.json").items()}
    first, expected = next(iter(lists.items()))
    for file, attacks in lists.items():
        if attacks != expected:
            raise InputError(f"expected strict attacks {list(expected)} as in {first}, got {list(attacks)} in {file}")
    if not set(expected) >= _LISTED_ATTACKS or expected[-1] != _LAST_ATTACK:
        listed = ", ".join(sorted(_LISTED_ATTACKS))
        raise InputError(f"expected strict attacks {listed} and {_LAST_ATTACK} last, got {list(expected)} in {first}")
    return expected


def _files(metrics: Metrics, name: str) -> dict[str, Mapping[str, Any]]:
    return {
        results_file(dataset, model, name): content
        for dataset, models in metrics.items()
        for model, content in models.items()
    }


def _held(content: Mapping[str, Any], *, paper: bool) -> frozenset[Protocol]:
    found: dict[Protocol, bool] = {"paper": paper, "strict": "strict" in content}
    return frozenset(protocol for protocol, there in found.items() if there)


def _common(found: Mapping[str, frozenset[Protocol]]) -> frozenset[Protocol]:
    first, expected = next(iter(found.items()))
    for file, protocols in found.items():
        if not protocols:
            raise InputError(f"expected results of the paper's or the strict protocol, got neither in {file}")
        if protocols != expected:
            raise InputError(f"expected protocols {_names(expected)} as in {first}, got {_names(protocols)} in {file}")
    return expected


def _names(protocols: frozenset[Protocol]) -> str:
    return " and ".join(sorted(protocols))
