"""Which tests are slow, and the slow ones first, so that two workers end together."""

import pytest

# Nearly every test of these files starts a runner, builds or trains a network, or draws phantoms.
SLOW_FILES = {
    "test_applications.py",
    "test_sync.py",
    "test_conda.py",
    "test_faults_runners.py",
    "test_graph.py",
    "test_invalidation.py",
    "test_kill.py",
    "test_phantom_rendering.py",
    "test_phantom_trees.py",
    "test_pipeline.py",
    "test_remotes.py",
    "test_scale.py",
    "test_training_loop.py",
}

# Their slow tests run in `make test-long` (those of Slurm in `make test-slurm`, too): they guard what changes rarely.
LONG_FILES = {
    "test_applications.py",
    "test_conda.py",
    "test_external_test_set.py",
    "test_faults_disk.py",
    "test_faults_runners.py",
    "test_pareto.py",
    "test_remotes.py",
    "test_scale.py",
    "test_slurm.py",
}


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the slow and the long files; put the tests marked slow before the others, in their order."""
    for item in items:
        if item.path.name in SLOW_FILES:
            item.add_marker("slow")
        if item.path.name in LONG_FILES and item.get_closest_marker("slow"):
            item.add_marker("long")
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
