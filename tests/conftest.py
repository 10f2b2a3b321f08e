"""The longest tests first, so that two workers end together."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests marked slow before the others; the order is otherwise kept."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
