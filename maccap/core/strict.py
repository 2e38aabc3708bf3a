"""The base of all models that are read from files."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Frozen, without conversions, no key but its own."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
