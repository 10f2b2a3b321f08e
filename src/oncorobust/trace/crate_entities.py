"""Entities of a crate: files and folders, parameters, and the profiles and terms that a Provenance Run Crate names.

A file that the crate holds has its path as identifier. A file that the crate only refers to, such as a model or an
image, has its path after `#`, and is identified by its MD5 and its size, as in dvc.lock.
"""

import json
import mimetypes
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from oncorobust.pipeline.dvc_lock import FileRecord

Entity = dict[str, Any]
"""An entity of JSON-LD."""

CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    {"md5": "https://w3id.org/ro/terms/workflow-run#md5"},
]
_PROFILES = "https://w3id.org/ro/wfrun/"
PROFILES = {
    **{f"{_PROFILES}{name.lower()}/0.5": f"{name} Run Crate" for name in ("Process", "Workflow", "Provenance")},
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
ENGINE = "https://snakemake.github.io"
_TYPES = {
    ".bib": "application/x-bibtex",
    ".csv": "text/csv",
    ".md": "text/markdown",
    ".py": "text/x-python",
    ".tex": "application/x-tex",
    ".tsv": "text/tab-separated-values",
    ".yaml": "application/yaml",
}
_FOLDER = ".dir"


def reference(entity: str) -> Entity:
    """Return a reference to an entity."""
    return {"@id": entity}


def references(entities: Iterable[str]) -> list[Entity]:
    """Return references to entities."""
    return [reference(one) for one in entities]


def file_id(path: str, held: Collection[str], *, is_folder: bool = False) -> str:
    """Return the identifier of a file or folder. held: paths of the files that the crate holds."""
    place = quote(path) + ("/" if is_folder else "")
    return place if path in held else f"#{place}"


def file_entity(record: FileRecord, held: Collection[str]) -> Entity:
    """Return a file or a folder of dvc.lock, with its MD5 and its size in bytes."""
    is_folder = record.n_files is not None
    entity = {
        "@id": file_id(record.path, held, is_folder=is_folder),
        "@type": "Dataset" if is_folder else "File",
        "name": record.path,
        "md5": record.md5.removesuffix(_FOLDER),
        "contentSize": str(record.size),
    }
    if is_folder:
        text = f"{record.n_files} files, not in this crate; the MD5 is that of DVC's list of them."
        return {**entity, "description": text}
    if record.path not in held:
        return {**entity, "description": "Not in this crate; `dvc pull` gets it from the run's remote."}
    return {**entity, **_encoding(record.path)}


def _encoding(path: str) -> Entity:
    ending = path[path.rfind(".") :] if "." in path else ""
    found = _TYPES.get(ending) or mimetypes.guess_type(path, strict=True)[0]
    return {"encodingFormat": found} if found else {}


def parameter_entity(key: str, value: object, seen: Mapping[str, Entity], *, stage: str) -> Entity:
    """Return a parameter of params.yaml; one that a stage recorded with another value than the others is its own."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    entity = {"@id": f"#params/{quote(key)}", "@type": "PropertyValue", "name": key, "value": text}
    if seen.get(entity["@id"], entity)["value"] == text:
        return entity
    return {**entity, "@id": f"{entity['@id']}@{quote(stage)}"}
