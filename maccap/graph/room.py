"""How many tokens the frozen models have room for, as far as their folders say so while the workflow is planned."""

from pathlib import Path
from typing import Any

from ..core.artifacts import read_json
from ..core.errors import ConfigError
from .profile import TIERS, Profile


def check_room(profile: Profile) -> None:
    """Refuse settings of an experiment that ask for more; models that are no folders are asked when they are loaded.

    Raises:
        ConfigError: more subregions than the encoder makes tokens of an image, or more soft tokens and words than the
            language model has positions.
    """
    config = profile.config
    positions = positions_of(config["language_model"]["name"])
    image_tokens = image_tokens_of(config["encoder"]["name"])
    for trained, name, _ in (cell for tier in TIERS for cell in profile.predicted(tier)):
        if not (run := profile.run_of(name)):
            continue
        wanted = profile.training_settings(trained, run) | profile.generation_settings(name)
        if image_tokens and wanted["subregions"] > image_tokens:
            raise ConfigError(
                f"experiments.{name}: {wanted['subregions']} subregions, but the encoder makes {image_tokens} tokens "
                "of an image; lower generation.subregions"
            )
        for key in ("text_length", "max_new_tokens"):
            if positions and (tokens := wanted["queries"] + wanted[key]) > positions:
                raise ConfigError(
                    f"experiments.{name}: queries and {key} make {tokens} tokens, but the language model takes at most "
                    f"{positions}; lower them"
                )


def positions_of(folder: str) -> int | None:
    """How many tokens the language model in a folder takes at most; None where its config does not say."""
    about = _section(Path(folder, "config.json"))
    most = about.get("max_position_embeddings", about.get("n_positions"))
    return most if isinstance(most, int) else None


def image_tokens_of(folder: str) -> int | None:
    """How many tokens the CLIP in a folder makes of an image; None where its config does not say."""
    vision = _section(Path(folder, "open_clip_config.json"), "model_cfg", "vision_cfg")
    side, patch = vision.get("image_size"), vision.get("patch_size")
    return (side // patch) ** 2 + 1 if isinstance(side, int) and isinstance(patch, int) else None


def _section(path: Path, *keys: str) -> dict[str, Any]:
    """A section of a JSON file; empty where there is none, which whoever loads the model reports."""
    found = read_json(path) if path.is_file() else {}
    for key in keys:
        found = found.get(key, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}
