"""A conda channel in a folder, with two packages: the Python that runs this, and the pip that is installed in it.

A package is a .tar.bz2 of files that lie where they will lie in an environment, and of info/index.json (name, version,
dependencies), info/paths.json (each file's SHA-256 and size) and info/files. repodata.json lists a folder's packages.
A package for every platform (noarch) also has info/link.json, and its site-packages move to those of the environment.
Source: https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html
"""

import bz2
import hashlib
import io
import json
import platform
import sys
import sysconfig
import tarfile
from dataclasses import asdict, dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from rattler import Subdir

# What no rule of the pipeline imports: half of the size.
LEFT_OUT = {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "__pycache__", "site-packages"}


@dataclass(frozen=True)
class Package:
    """What a channel says about a package: the folder of its platform, its name and version, and what it needs."""

    subdir: str
    name: str
    version: str
    depends: tuple[str, ...] = ()
    build: str = "local_0"
    build_number: int = 0

    @property
    def index(self) -> dict[str, Any]:
        """The content of info/index.json."""
        return asdict(self) | ({"noarch": "python"} if self.subdir == "noarch" else {})


def write_channel(folder: Path) -> None:
    """Write the channel's two packages into `folder`."""
    python = Package(str(Subdir.current()), "python", platform.python_version())
    pip = distribution("pip")
    for package, files in (
        (python, _python_files()),
        (Package("noarch", "pip", pip.version, depends=("python",)), _pip_files()),
    ):
        place = folder / package.subdir
        place.mkdir(parents=True)
        name, content = f"{package.name}-{package.version}-{package.build}.tar.bz2", _packed(package, files)
        (place / name).write_bytes(content)
        entry = package.index | {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        repodata = {"info": {"subdir": package.subdir}, "packages": {name: entry}, "packages.conda": {}}
        (place / "repodata.json").write_text(json.dumps(repodata | {"repodata_version": 1}))


def _python_files() -> dict[str, Path]:
    """This Python's program, shared library and standard library, by their places in an environment."""
    base, library = Path(sys.base_prefix), Path(sysconfig.get_path("stdlib"))
    program = f"python{sys.version_info.major}.{sys.version_info.minor}"
    files = {f"bin/{name}": base / "bin" / program for name in ("python", "python3", program)}
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        shared = sysconfig.get_config_var("INSTSONAME")
        files[f"lib/{shared}"] = Path(sysconfig.get_config_var("LIBDIR")) / shared
    for path in library.rglob("*"):
        inside = path.relative_to(library)
        is_development = any(part.startswith("config-") for part in inside.parts)
        if path.is_file() and not is_development and not LEFT_OUT & set(inside.parts):
            files[f"lib/{program}/{inside}"] = path
    return files


def _pip_files() -> dict[str, Path]:
    """The files of the pip that is installed here, without its programs: an environment is given its own."""
    files = {str(path): Path(str(path.locate())) for path in distribution("pip").files or ()}
    return {
        f"site-packages/{name}": path
        for name, path in files.items()
        if not name.startswith("..") and "__pycache__" not in name
    }


def _packed(package: Package, files: dict[str, Path]) -> bytes:
    paths = [
        {
            "_path": name,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "size_in_bytes": path.stat().st_size,
        }
        for name, path in sorted(files.items())
    ]
    about: dict[str, Any] = {"index": package.index, "paths": {"paths": paths, "paths_version": 1}, "about": {}}
    if package.subdir == "noarch":
        about["link"] = {"noarch": {"type": "python", "entry_points": []}, "package_metadata_version": 1}
    texts = {f"info/{name}.json": json.dumps(content) for name, content in about.items()}
    texts["info/files"] = "".join(f"{name}\n" for name in sorted(files))
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", dereference=True) as tar:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
        for name, path in sorted(files.items()):
            tar.add(path, name)
    return bz2.compress(stream.getvalue(), compresslevel=1)
