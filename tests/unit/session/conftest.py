"""Every test here may ask for an engine."""

from tests.support.engine import engine as engine
