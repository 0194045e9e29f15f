"""What there is to choose from: boards, networks, data sets and recipes, a line each."""

import importlib.metadata
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bnnedge.errors import BnnEdgeError
from bnnedge.outputs import write_whole
from bnnedge.recipes import description, find_recipe, recipe_names


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One of what there is.

    Attributes:
        name: what options and recipes call it.
        description: in a line.
    """

    name: str
    description: str


def boards() -> tuple[Listed, ...]:
    """Boards that come with bnnedge, and those that installed packages give."""
    from bnnedge.boards import ENTRY_POINTS, find_board, known_boards

    found = dict[str, str]()
    others = [entry.name for entry in importlib.metadata.entry_points(group=ENTRY_POINTS)]
    for name in (*known_boards(), *sorted(others)):
        try:
            board = find_board(name)
        except BnnEdgeError as error:
            found.setdefault(name, str(error))
            continue
        link = ", ".join(board.links)
        clock = f"{board.default_clock_mhz:g} MHz"
        found.setdefault(name, f"{board.family.title} {board.device}, {link}, {clock} by default")
    return tuple(Listed(name=name, description=said) for name, said in found.items())


def models() -> tuple[Listed, ...]:
    """Networks of the zoo, and on which data sets there are trained ones of each."""
    import bnnedge.models
    from bnnedge.models.config import Topology
    from bnnedge.models.pretrained.cards import ModelCard, available

    cards = [ModelCard.load(name) for name in available()]

    def said(topology: Topology) -> Iterator[str]:
        function = getattr(bnnedge.models, topology.value.replace("-", "_"), None)
        yield "Dense layers of any widths" if function is None else _first_line(function)
        for card in cards:
            if card.model["network"]["topology"] == topology.value:
                yield f"trained on {card.dataset}: {card.test_accuracy:.2%}"

    return tuple(
        Listed(name=topology.value, description="; ".join(said(topology))) for topology in Topology
    )


def _first_line(function: object) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0].removesuffix(".")


def datasets() -> tuple[Listed, ...]:
    """Data sets that bnnedge reads."""
    from bnnedge.data.config import DatasetName

    return tuple(Listed(name=each.value, description=each.description) for each in DatasetName)


def recipes() -> tuple[Listed, ...]:
    """Recipes that come with bnnedge."""
    return tuple(Listed(name=name, description=description(name)) for name in recipe_names())


def copy_recipe(name: str, folder: Path) -> Path:
    """Copy a recipe that comes with bnnedge into a folder, and return the new file.

    Raises:
        ConfigError: there is none of this name.
        BnnEdgeError: a file of its name is there already, or it cannot be written.
    """
    source = find_recipe(Path(name))
    target = folder / source.name
    if target.exists():
        raise BnnEdgeError(
            f"{target} is there already", remedy="remove it, or choose another folder"
        )
    write_whole(target, lambda sink: sink.write(source.read_bytes()))
    return target
