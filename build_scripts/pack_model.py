"""Pack a trained checkpoint into the wheel: `python build_scripts/pack_model.py CHECKPOINT NAME`.

CHECKPOINT is a folder that `bnnedge train` wrote from the recipe NAME, NAME is
"<network>_<data set>", e.g. lenet5_mnist. The weights, one bit each, and the model card go to
bnnedge/models/pretrained/.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bnnedge.artifacts import sha256_of
from bnnedge.errors import BnnEdgeError, CheckpointError, ConfigError
from bnnedge.models.checkpoint import load_checkpoint, load_test_set
from bnnedge.models.network import Network
from bnnedge.models.pretrained.cards import FOLDER, ModelCard, weights_path
from bnnedge.models.pretrained.load import load_card
from bnnedge.models.pretrained.packing import pack
from bnnedge.models.record import network_record
from bnnedge.names import trained_name
from bnnedge.recipe import Recipe
from bnnedge.recipes import RECIPES
from bnnedge.records import to_json
from bnnedge.training.stage import without_places

_BATCH = 500


def pack_model(checkpoint_folder: Path, recipe_path: Path, out: Path = FOLDER) -> ModelCard:
    """Write `<name>.npz` and `<name>.json` into `out`; the name is the recipe's.

    Raises:
        ConfigError: the recipe is not the one that the checkpoint was trained with, or names its
            teacher by a path.
        CheckpointError: the checkpoint is damaged, or its record gives another accuracy than its
            network has.
    """
    checkpoint = load_checkpoint(checkpoint_folder)
    recipe = Recipe.load(recipe_path)
    record = checkpoint.record
    _require_same_recipe(recipe, record["config"], recipe_path)
    images, labels = load_test_set(checkpoint_folder, checkpoint)
    correct = int((checkpoint.model.predict(images) == labels).sum())
    if correct / len(labels) != record["metrics"]["test_accuracy"]:
        raise CheckpointError(
            f"{checkpoint_folder}: {correct} of {len(labels)} are right, its record says "
            f"{record['metrics']['test_accuracy']:.4%}"
        )
    name = trained_name(recipe.network.topology.value, recipe.data.dataset.value)
    if name != recipe.name:
        raise ConfigError(f"{recipe_path} is called {recipe.name}, wanted {name}")
    weights = weights_path(name, out)
    np.savez_compressed(weights, **pack(checkpoint.model))
    card = ModelCard(
        name=name,
        model=network_record(checkpoint.model),
        input_range=checkpoint.input_range,
        classes=tuple(record["classes"]),
        recipe=recipe_path.read_text(),
        seed=recipe.training.seed,
        dataset=record["dataset"]["name"],
        dataset_sha256=record["dataset"]["sha256"],
        validation_accuracy=record["metrics"]["validation_accuracy"],
        test_correct=correct,
        test_images=len(labels),
        commit=_commit(),
        weights_sha256=sha256_of(weights),
    )
    packed = load_card(card, out)
    if not np.array_equal(_logits(packed, images), _logits(checkpoint.model, images)):
        weights.unlink()
        raise CheckpointError(f"{name}: the packed network differs from its checkpoint")
    card.save(out)
    return card


def _require_same_recipe(recipe: Recipe, trained: Mapping[str, Any], path: Path) -> None:
    for section in ("network", "data", "training"):
        wanted, given = to_json(getattr(recipe, section)), trained[section]
        if section == "data":
            wanted, given = without_places(wanted), without_places(given)
        if wanted != given:
            raise _other(section, path)
    if recipe.teacher is not None and recipe.teacher.checkpoint is not None:
        raise ConfigError(
            f"{path}: [teacher] names a checkpoint, which nobody else has",
            remedy="give [teacher.network] and [teacher.training], and train with them",
        )
    teacher = trained.get("teacher")  # records had none once
    sections = ("network", "training")
    wanted = recipe.teacher and {key: to_json(getattr(recipe.teacher, key)) for key in sections}
    if wanted != (teacher and {key: teacher[key] for key in sections}):
        raise _other("teacher", path)


def _other(section: str, path: Path) -> ConfigError:
    return ConfigError(f"{path}: its [{section}] is not what the checkpoint was trained with")


@torch.no_grad()
def _logits(model: Network, images: np.ndarray) -> np.ndarray:
    batches = torch.split(torch.from_numpy(images), _BATCH)
    return torch.cat([model(batch) for batch in batches]).numpy()


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """See the module."""
    if len(sys.argv) != 3:
        sys.exit("usage: pack_model.py CHECKPOINT NAME")
    folder, name = Path(sys.argv[1]), sys.argv[2]
    try:
        card = pack_model(folder, RECIPES / f"{name}.toml")
    except BnnEdgeError as error:
        sys.exit(f"pack_model: {error}")
    size = weights_path(card.name).stat().st_size
    print(f"{card.name}: {card.test_accuracy:.2%} of {card.test_images} images, {size:,} bytes")


if __name__ == "__main__":
    main()
