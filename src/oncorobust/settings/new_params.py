"""params.yaml with a new data set: its block and column, its place in the run, and without the demo's data sets.

The demo's data sets are those whose raw tree the pipeline makes of phantoms or takes out of a package. They leave
`run.datasets` and `acquire`; their blocks and columns stay, so that nothing that a person wrote is lost. Where nothing
else has run yet, the demo's short attacks become those of the preset `real`.
"""

from dataclasses import dataclass

from oncorobust.settings.attacks import Attacks
from oncorobust.settings.data import Packaged, Phantom
from oncorobust.settings.new_dataset_text import ATTACKS
from oncorobust.settings.params_text import add_entry, has_entry, read_value, remove_entry, replace_entry, set_names
from oncorobust.settings.pipeline import Params

_DEMO_STEPS = (5, 5, 10, 10, 25, 15)
"""Steps and queries of the attacks in presets/demo.yaml."""


@dataclass(frozen=True)
class NewParams:
    """The edited text, and what it says now.

    left_out: data sets of the demo that no longer run. beside: data sets that run beside the new one. new_attacks:
    whether `attacks` changed. attack_batch: `attacks.batch_size`.
    """

    text: str
    left_out: tuple[str, ...]
    beside: tuple[str, ...]
    new_attacks: bool
    attack_batch: int


def with_dataset(text: str, params: Params, name: str, *, block: str, column: str) -> NewParams:
    """Add or replace a data set. text: of params.yaml; params: read from it. Raises InputError for unusual forms."""
    demo = tuple(one for one, source in params.acquire.items() if isinstance(source, Packaged | Phantom))
    for one in (*(one for one in demo if one != name), *([name] if name in params.acquire else [])):
        text = remove_entry(text, ("acquire", one))
    kept = [one for one in params.run.datasets if one not in demo and one != name]
    text = set_names(text, ("run", "datasets"), [*kept, name])
    text = _put(text, ("datasets",), name, block, before="\n")
    text = _put(text, ("report", "columns"), name, column, before="")
    new_attacks = bool(demo) and not kept and _steps(params.attacks) == _DEMO_STEPS
    if new_attacks:
        text = replace_entry(text, ("attacks",), ATTACKS)
    return NewParams(
        text,
        left_out=tuple(one for one in demo if one != name),
        beside=tuple(kept),
        new_attacks=new_attacks,
        attack_batch=int(read_value(text, ("attacks", "batch_size"))),
    )


def _put(text: str, path: tuple[str, ...], name: str, entry: str, *, before: str) -> str:
    """Add an entry, after `before`, or replace the one of this name."""
    if has_entry(text, (*path, name)):
        return replace_entry(text, (*path, name), entry)
    return add_entry(text, path, before + entry)


def _steps(attacks: Attacks) -> tuple[int, ...]:
    strict = attacks.strict
    steps = (attacks.bim, attacks.pgd, strict.apgd, strict.fmn)
    return (*(one.max_iter for one in steps), strict.square.max_queries, strict.converged.max_iter)
