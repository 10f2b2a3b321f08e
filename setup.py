"""Pack the workflow with the library: a wheel holds these files of the repository in the folder oncorobust/repository.

Projects that `oncorobust init` makes run the workflow from there; oncorobust.pipeline.shipped finds it. MANIFEST.in
names the same files for source archives.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ["Snakefile", "dvc.yaml", "environment*.yml", "*.schema.json", ".dvcignore", ".dvc/config", ".dvc/.gitignore"]
SHIPPED += ["presets/*.yaml", "profiles/**/*", "workflow/**/*"]


class BuildWithWorkflow(build_py):
    """Build the package, and copy the files of the workflow into it."""

    def run(self) -> None:
        """Copy the files, but not for an editable install, which finds them in the repository."""
        super().run()
        if not self.editable_mode:
            for path in sorted({path for pattern in SHIPPED for path in Path().glob(pattern) if _is_shipped(path)}):
                place = Path(self.build_lib, "oncorobust", "repository", path)
                self.mkpath(str(place.parent))
                self.copy_file(str(path), str(place), preserve_mode=False)


def _is_shipped(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


setup(cmdclass={"build_py": BuildWithWorkflow})
