"""Nothing is configured but what a test writes."""

import pytest


@pytest.fixture(autouse=True)
def _nothing_configured(nothing_configured: None) -> None:
    """In all tests of this plugin."""
