"""Recipes of tests, written beside their data: trained, or refused."""

from pathlib import Path

import pytest

import bnnedge
from bnnedge.errors import ConfigError
from bnnedge.recipe import Recipe

FILE = "recipe.toml"


def lower_trained(folder: Path, recipe: str, name: str) -> None:
    """Write a recipe into `folder`, and make folders `train`, `export` and `dataflow` of it."""
    (folder / FILE).write_text(recipe)
    bnnedge.train(folder / FILE, folder / "train")
    bnnedge.export(folder / "train", folder / "export")
    bnnedge.lower(folder / "export", folder / "dataflow", name=name)


def require_refused(folder: Path, recipe: str, message: str) -> None:
    """Write a recipe into `folder`, which must be refused with that message."""
    (folder / FILE).write_text(recipe)
    with pytest.raises(ConfigError, match=message):
        Recipe.load(folder / FILE)
