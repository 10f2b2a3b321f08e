"""Switching of params.yaml between presets, files that set every parameter.

A clone has them in presets/; in a project they are those of the installed package, and any of the project's own in
presets/. A preset is copied byte for byte, so both runners read only params.yaml, and `diff` shows how it differs from
a preset. Without --force, a params.yaml with edits that are in no preset is not overwritten.
"""

from pathlib import Path

from oncorobust.base.errors import InputError
from oncorobust.pipeline.dvc_yaml import refresh
from oncorobust.pipeline.project_files import PARAMS, preset_files, write_file
from oncorobust.settings.load import load_params


def preset_names(root: Path) -> list[str]:
    """Return the names of the presets, sorted."""
    return list(preset_files(root))


def switch_preset(root: Path, name: str, *, force: bool) -> None:
    """Replace params.yaml by the preset of this name, and update dvc.yaml and the digests of the code.

    force: overwrite edits in params.yaml. Raises InputError for an unknown or invalid preset, and for edits without
    force.
    """
    presets = preset_files(root)
    if name not in presets:
        raise InputError(f"expected a preset ({', '.join(presets)}), got {name!r}")
    load_params(presets[name])
    current, known = root / PARAMS, [file.read_bytes() for file in presets.values()]
    if current.exists() and current.read_bytes() not in known and not force:
        raise InputError(
            f"params.yaml has edits that are in no preset: copy it to presets/NAME.yaml to keep them, "
            f"or overwrite it with `oncorobust preset {name} --force`"
        )
    write_file(root, PARAMS, presets[name].read_bytes())
    refresh(root)
