"""What of these tests belongs to the short version."""

import os

import pytest

IS_FULL = os.environ.get("FACEMASK_SYSTEM") == "full"
"""As with ``make test-system``; the short version takes the newest system, and fewer ways to fail."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only the full version does."""
    left_out = [item for item in items if item.get_closest_marker("full") and not IS_FULL]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
