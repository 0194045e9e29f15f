"""The recipes that come with bnnedge: TOML files beside this module, known by their names."""

from pathlib import Path

from bnnedge.arguments import did_you_mean
from bnnedge.errors import ConfigError
from bnnedge.files import is_file

RECIPES = Path(__file__).parent
_SUFFIX = ".toml"


def recipe_names() -> tuple[str, ...]:
    """Their names, in alphabetical order."""
    return tuple(sorted(path.stem for path in RECIPES.glob(f"*{_SUFFIX}")))


def find_recipe(given: Path) -> Path:
    """The file of a recipe: the one at this path; else the one that comes with bnnedge.

    Raises:
        ConfigError: there is neither.
    """
    known = recipe_names()
    if str(given) in known and not is_file(given):
        return RECIPES / f"{given}{_SUFFIX}"
    try:
        given.stat()
    except FileNotFoundError:
        near = did_you_mean(given.stem, known)
        raise ConfigError(
            f"cannot read {given}: there is no such file, and no recipe of this name{near}",
            remedy="`bnnedge recipes` lists those that come with bnnedge",
        ) from None
    except (OSError, ValueError):  # who opens it says why
        return given
    return given


def description(name: str) -> str:
    """What one of `recipe_names` says of itself in its first line."""
    with (RECIPES / f"{name}{_SUFFIX}").open(encoding="utf-8") as lines:
        return lines.readline().removeprefix("#").strip()
