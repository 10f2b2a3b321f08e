"""Switch params.yaml between the presets: files in presets/ that hold every parameter of a purpose.

A preset is copied whole, byte for byte: params.yaml stays the one file that both runners read, and `diff` shows how it
departs from a preset. Edits that stand in no preset would be lost and are refused, unless forced.
"""

from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.pipeline.dvc_yaml import refresh
from oncorobust.settings.load import load_params


def preset_names(root: Path) -> list[str]:
    """Names of the presets, sorted."""
    return sorted(path.stem for path in (root / "presets").glob("*.yaml"))


def switch_preset(root: Path, name: str, *, force: bool) -> None:
    """Make params.yaml the preset of this name and bring the graph in step.

    force: give up edits in params.yaml. Raises InputError for an unknown or wrong preset, and for edits without force.
    """
    names = preset_names(root)
    if name not in names:
        raise InputError(f"expected a preset ({', '.join(names)}), got {name!r}")
    preset, current = root / "presets" / f"{name}.yaml", root / "params.yaml"
    load_params(preset)
    known = [(root / "presets" / f"{one}.yaml").read_bytes() for one in names]
    if current.exists() and current.read_bytes() not in known and not force:
        raise InputError(
            f"expected params.yaml to equal a preset, got one with edits of its own: keep it as presets/NAME.yaml, "
            f"or give it up with `oncorobust preset {name} --force`"
        )
    draft = current.with_name(".params.part.yaml")
    draft.write_bytes(preset.read_bytes())
    draft.replace(current)
    refresh(root)
