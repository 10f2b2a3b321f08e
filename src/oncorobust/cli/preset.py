"""Switching of params.yaml between presets, files in presets/ that set every parameter.

A preset is copied byte for byte, so both runners read only params.yaml, and `diff` shows how it differs from a preset.
Without --force, a params.yaml with edits that are in no preset is not overwritten.
"""

from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.pipeline.dvc_yaml import refresh
from oncorobust.settings.load import load_params


def preset_names(root: Path) -> list[str]:
    """Return the names of the presets, sorted."""
    return sorted(path.stem for path in (root / "presets").glob("*.yaml"))


def switch_preset(root: Path, name: str, *, force: bool) -> None:
    """Replace params.yaml by the preset of this name, and update dvc.yaml and the digests of the code.

    force: overwrite edits in params.yaml. Raises InputError for an unknown or invalid preset, and for edits without
    force.
    """
    names = preset_names(root)
    if name not in names:
        raise InputError(f"expected a preset ({', '.join(names)}), got {name!r}")
    preset, current = root / "presets" / f"{name}.yaml", root / "params.yaml"
    load_params(preset)
    known = [(root / "presets" / f"{one}.yaml").read_bytes() for one in names]
    if current.exists() and current.read_bytes() not in known and not force:
        raise InputError(
            f"params.yaml has edits that are in no preset: copy it to presets/NAME.yaml to keep them, "
            f"or overwrite it with `oncorobust preset {name} --force`"
        )
    draft = current.with_name(".params.part.yaml")
    draft.write_bytes(preset.read_bytes())
    draft.replace(current)
    refresh(root)
