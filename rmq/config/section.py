"""The base of every configuration table: frozen, strictly typed, and no key it doesn't know."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Strict, because TOML has types: `max_inflight = true` is a mistake and not 1."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)
