"""A run as a Workflow Run RO-Crate: the metadata of a Provenance Run Crate 0.5, from dvc.lock.

Each stage that dvc.lock records is a `CreateAction` with its command, its parameters, and the files that it read and
wrote; its tool is the stage's script. The workflow is the Snakefile. Models, images and per-image rows are named by MD5
and size, not copied. The metadata name no person, no machine and no time but the date of the commit.

Source: w3id.org/ro/wfrun/provenance/0.5 and RO-Crate 1.1.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from oncorobust.base.layout import SCRIPTS
from oncorobust.pipeline.dvc_lock import FileRecord, Lock, StageRecord
from oncorobust.trace.crate_entities import (
    CONTEXT,
    ENGINE,
    PROFILES,
    Entity,
    file_entity,
    file_id,
    parameter_entity,
    reference,
    references,
)

METADATA = "ro-crate-metadata.json"
WORKFLOW = "Snakefile"
_LANGUAGE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
_RUN = "#run"
_PACKAGE = "#oncorobust"


@dataclass(frozen=True)
class Run:
    """A run to describe.

    held: files that the crate holds, by path. date: ISO date of the results. version: the commit; empty without git.
    titles: of the data sets; synthetic: of those whose images were generated. package: version of the installed package
    whose workflow a project runs; empty for a clone, which is itself the workflow.
    """

    lock: Lock
    held: Mapping[str, FileRecord]
    date: str
    version: str
    titles: tuple[str, ...]
    synthetic: tuple[str, ...]
    licence: str
    package: str = ""


def crate_metadata(run: Run) -> dict[str, object]:
    """Return the content of ro-crate-metadata.json."""
    files, parameters = _files(run), _parameters(run.lock)
    stages = [_stage_entities(stage, run, parameters) for stage in run.lock.values()]
    tools = _tools(run.lock)
    graph: list[Entity] = [
        {
            "@id": METADATA,
            "@type": "CreativeWork",
            "about": reference("./"),
            "conformsTo": references(["https://w3id.org/ro/crate/1.1", *list(PROFILES)[-1:]]),
        },
        _root(run, files),
        *(
            {"@id": one, "@type": "CreativeWork", "name": name, "version": one.rpartition("/")[2]}
            for one, name in PROFILES.items()
        ),
        _workflow(run, tools),
        {"@id": _LANGUAGE, "@type": "ComputerLanguage", "name": "Snakemake", "url": reference(ENGINE)},
        {"@id": ENGINE, "@type": "SoftwareApplication", "name": "Snakemake", "url": ENGINE},
        *([_package(run)] if run.package else []),
        *_steps(tools),
        *(_with_tool(one, tools) for name, one in files.items() if name != WORKFLOW),
        *(one for of in parameters.values() for one in of.values()),
        *(entity for entities in stages for entity in entities),
        _whole_run(run, parameters),
        {
            "@id": "#organize",
            "@type": "OrganizeAction",
            "name": "Order of the stages",
            "instrument": reference(ENGINE),
            "object": references(f"#control/{name}" for name in run.lock),
            "result": reference(_RUN),
        },
    ]
    return {"@context": CONTEXT, "@graph": _once(graph)}


def _once(graph: list[Entity]) -> list[Entity]:
    return list({entity["@id"]: entity for entity in graph}.values())


def _root(run: Run, files: Mapping[str, Entity]) -> Entity:
    generated = f" SYNTHETIC images, generated and of no patient: {', '.join(run.synthetic)}." if run.synthetic else ""
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Stability of image classifiers: {', '.join(run.titles)}",
        "description": "A run of oncorobust: how stable image classifiers are under small pixel changes, before and "
        f"after adversarial training, with every stage, parameter and file behind the numbers.{generated}",
        "datePublished": run.date,
        "license": run.licence,
        "conformsTo": references(PROFILES),
        "mainEntity": reference(WORKFLOW),
        "hasPart": references([WORKFLOW, *(one["@id"] for name, one in files.items() if name != WORKFLOW)]),
        "mentions": references([_RUN, *(f"#stage/{name}" for name in run.lock)]),
        **({"version": run.version} if run.version else {}),
    }


def _workflow(run: Run, tools: Mapping[str, str]) -> Entity:
    return {
        **file_entity(run.held[WORKFLOW], run.held),
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        "name": "oncorobust",
        "programmingLanguage": reference(_LANGUAGE),
        "step": references(f"#step/{stage}" for stage in tools),
        "hasPart": references(tools.values()),
        **({"softwareRequirements": reference(_PACKAGE)} if run.package else {}),
        **({"version": run.version} if run.version else {}),
    }


def _package(run: Run) -> Entity:
    return {
        "@id": _PACKAGE,
        "@type": "SoftwareApplication",
        "name": "oncorobust",
        "description": "The installed package, whose workflow the Snakefile includes.",
        "version": run.package,
    }


def _files(run: Run) -> dict[str, Entity]:
    """Return every file that the crate holds or a stage names, once; as it was written, where a stage wrote it."""
    records: dict[str, FileRecord] = dict(run.held)
    for stage in run.lock.values():
        for one in stage.inputs:
            records.setdefault(one.path, one)
    for stage in run.lock.values():
        records.update({one.path: one for one in stage.outputs})
    return {path: file_entity(records[path], run.held) for path in sorted(records)}


def _tools(lock: Lock) -> dict[str, str]:
    """Return the script of each stage, in the order in which dvc.lock names the stages."""
    return {name.partition("@")[0]: f"{SCRIPTS}/{name.partition('@')[0]}.py" for name in lock}


def _with_tool(entity: Entity, tools: Mapping[str, str]) -> Entity:
    if entity["@id"] not in tools.values():
        return entity
    return {**entity, "@type": ["File", "SoftwareSourceCode"]}


def _steps(tools: Mapping[str, str]) -> Iterator[Entity]:
    for position, (stage, script) in enumerate(tools.items(), start=1):
        yield {
            "@id": f"#step/{stage}",
            "@type": "HowToStep",
            "name": stage,
            "position": str(position),
            "workExample": reference(script),
        }


def _parameters(lock: Lock) -> dict[str, dict[str, Entity]]:
    """Return the parameters of each stage, by their key; stages share those of equal value."""
    seen: dict[str, Entity] = {}
    found: dict[str, dict[str, Entity]] = {}
    for name, stage in lock.items():
        found[name] = {}
        for key, value in stage.parameters.items():
            entity = parameter_entity(key, value, seen, stage=name)
            found[name][key] = seen.setdefault(entity["@id"], entity)
    return found


def _stage_entities(stage: StageRecord, run: Run, parameters: Mapping[str, Mapping[str, Entity]]) -> list[Entity]:
    tool = stage.name.partition("@")[0]
    given = [one["@id"] for one in parameters[stage.name].values()]
    return [
        {
            "@id": f"#stage/{stage.name}",
            "@type": "CreateAction",
            "name": stage.name,
            "description": stage.command,
            "instrument": reference(f"{SCRIPTS}/{tool}.py"),
            "object": references([*_ids(stage.inputs, run.held), *given]),
            "result": references(_ids(stage.outputs, run.held)),
        },
        {
            "@id": f"#control/{stage.name}",
            "@type": "ControlAction",
            "name": f"Start of {stage.name}",
            "instrument": reference(f"#step/{tool}"),
            "object": reference(f"#stage/{stage.name}"),
        },
    ]


def _whole_run(run: Run, parameters: Mapping[str, Mapping[str, Entity]]) -> Entity:
    """Return the run of the workflow: from the files that no stage made to all that the stages made."""
    made = {one.path: one for stage in run.lock.values() for one in stage.outputs}
    read = {one.path: one for stage in run.lock.values() for one in stage.inputs if one.path not in made}
    given = dict.fromkeys(one["@id"] for of in parameters.values() for one in of.values())
    return {
        "@id": _RUN,
        "@type": "CreateAction",
        "name": "Run of the workflow",
        "description": "All stages that dvc.lock records.",
        "instrument": reference(WORKFLOW),
        "object": references([*_ids(read.values(), run.held), *given]),
        "result": references(_ids(made.values(), run.held)),
    }


def _ids(records: Collection[FileRecord], held: Collection[str]) -> list[str]:
    return [file_id(one.path, held, is_folder=one.n_files is not None) for one in records]
