"""The protocols that the results of a run hold: the paper's, the strict one, or both.

    paper   attack.json has accuracies below `robust_accuracy`, rank.json has `accuracy_kept`
    strict  both have a part `strict`

`attacks.protocols` of params.yaml chooses the protocols; here they are read from the results themselves. Tables,
figures and the page compare data sets and models, so all results must hold the same protocols. Numbers of a protocol
that was not run are left out.
"""

from collections.abc import Mapping
from typing import Any

from oncorobust.attacks.names import CONVERGED, FROM_PAPER, PAPER_ATTACKS
from oncorobust.base.epsilons import epsilon_from_key
from oncorobust.base.errors import InputError
from oncorobust.base.layout import results_file
from oncorobust.report.tables.sources import Metrics
from oncorobust.settings.attacks import Protocol

LAST_ATTACKS = (CONVERGED, FROM_PAPER)
"""Last attack of the strict protocol, without and with the paper's beside it."""


def attack_protocols(attack: Metrics) -> frozenset[Protocol]:
    """Return the protocols of all attack.json. Raises InputError with the file that holds others, or none."""
    return _common(
        {
            file: _held(content, paper=any(content.get("robust_accuracy", {}).values()))
            for file, content in _files(attack, "attack.json").items()
        }
    )


def rank_protocols(rank: Metrics) -> frozenset[Protocol]:
    """Return the protocols of all rank.json. Raises InputError with the file that holds others, or none."""
    return _common(
        {file: _held(content, paper="accuracy_kept" in content) for file, content in _files(rank, "rank.json").items()}
    )


def strict_attacks(attack: Metrics) -> tuple[str, ...]:
    """Return the attacks of the strict protocol in the order in which they ran; each counts all before it too.

    The last one is `paper`, the examples of the paper's protocol, where it was run. Raises InputError with the file
    whose attacks are not those of the first file, lack one of the paper's attacks, or do not end with one of the two.
    """
    lists = {file: tuple(content["strict"]["attacks"]) for file, content in _files(attack, "attack.json").items()}
    first, expected = next(iter(lists.items()))
    for file, attacks in lists.items():
        if attacks != expected:
            raise InputError(f"{file}: strict attacks {list(attacks)} (expected {list(expected)} as in {first})")
    if not set(expected) >= set(PAPER_ATTACKS) or expected[-1] not in LAST_ATTACKS:
        listed, last = ", ".join(PAPER_ATTACKS), " or ".join(LAST_ATTACKS)
        raise InputError(f"{first}: strict attacks {list(expected)} (expected {listed}, and {last} last)")
    return expected


def largest_epsilon(metrics: Mapping[str, Any], *, attack: str) -> float:
    """Return the largest epsilon to which an attack of the strict search went. metrics: content of an attack.json."""
    return max(map(epsilon_from_key, metrics["strict"]["robust_accuracy"][attack]))


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
            raise InputError(f"{file}: no protocol (expected results of the paper's or the strict protocol)")
        if protocols != expected:
            raise InputError(f"{file}: protocols {_names(protocols)} (expected {_names(expected)} as in {first})")
    return expected


def _names(protocols: frozenset[Protocol]) -> str:
    return " and ".join(sorted(protocols))
