"""Model cards: what a pretrained network is, where it comes from and how good it is."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bnnedge.arguments import checked
from bnnedge.config import structure
from bnnedge.errors import ConfigError
from bnnedge.files import load_json

FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """The model card of a pretrained network.

    Attributes:
        name: "<network>_<data set>".
        model: what `bnnedge.models.record.network_record` said of the network.
        input_range: smallest and largest raw input value.
        classes: class names, by index of output.
        recipe: text of the recipe that it was trained with.
        seed: of the training.
        dataset: the data set's name.
        dataset_sha256: identity of the data, see `Dataset.sha256`.
        validation_accuracy: share of held-out training images classified right; selected on.
        test_correct: test images classified right; looked at once, at the end.
        test_images: how many test images there are.
        commit: of the bnnedge that packed the network.
        weights_sha256: of the `.npz` file.
    """

    name: str
    model: dict[str, Any]
    input_range: tuple[float, float]
    classes: tuple[str, ...]
    recipe: str
    seed: int
    dataset: str
    dataset_sha256: str
    validation_accuracy: float
    test_correct: int
    test_images: int
    commit: str
    weights_sha256: str

    @property
    def test_accuracy(self) -> float:
        """Share of test images classified right."""
        return self.test_correct / self.test_images

    def save(self, folder: Path) -> None:
        """Write `<name>.json`, with the accuracy spelled out for readers."""
        record = {**asdict(self), "test_accuracy": self.test_accuracy}
        card_path(self.name, folder).write_text(
            json.dumps(record, indent=1) + "\n", encoding="utf-8"
        )

    @classmethod
    @checked
    def load(cls, name: str, folder: Path | None = None) -> "ModelCard":
        """Read the card of a pretrained network.

        Raises:
            ConfigError: there is none of that name, or it is damaged.
        """
        path = card_path(name, folder)
        if name not in available(folder):
            names = ", ".join(available(folder)) or "none"
            raise ConfigError(f"no pretrained network {name}, there are: {names}")
        record = load_json(path)
        if not isinstance(record, dict):
            raise ConfigError(f"{path}: wanted a model card, got {type(record).__name__}")
        given = {key: value for key, value in record.items() if key != "test_accuracy"}
        return structure(given, cls, source=str(path))


def card_path(name: str, folder: Path | None = None) -> Path:
    """Where the card of a network is: in `folder`, or among those that come with bnnedge."""
    return (folder or FOLDER) / f"{name}.json"


def weights_path(name: str, folder: Path | None = None) -> Path:
    """Where the weights of a network are, see `card_path`."""
    return (folder or FOLDER) / f"{name}.npz"


def available(folder: Path | None = None) -> tuple[str, ...]:
    """Names of all pretrained networks in `folder`, or that come with bnnedge, sorted."""
    return tuple(sorted(path.stem for path in (folder or FOLDER).glob("*.json")))
