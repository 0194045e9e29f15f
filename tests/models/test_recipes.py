"""The recipes that come with bnnedge: they can be read, and their networks fit their data."""

from pathlib import Path

import pytest

from bnnedge import listings
from bnnedge.data.encodings import Encoding, IntegerEncoding, OneBitThreshold, QuantileThermometer
from bnnedge.errors import ConfigError
from bnnedge.models.config import Topology
from bnnedge.models.zoo import build_network
from bnnedge.names import trained_name
from bnnedge.pipeline import build
from bnnedge.recipe import Recipe
from bnnedge.recipes import RECIPES, recipe_names

_RECIPES = [RECIPES / f"{name}.toml" for name in recipe_names()]
_SHAPES = {
    "digits": (64,),
    "mnist": (1, 28, 28),
    "fashion-mnist": (1, 28, 28),
    "cifar-10": (3, 32, 32),
    "vowels": (12, 25),
    "dna": (180,),
}


def _encoding(recipe: Recipe) -> Encoding:
    if recipe.data.threshold is not None:
        return OneBitThreshold(threshold=recipe.data.threshold)
    if recipe.data.levels is not None:
        return QuantileThermometer(levels=tuple(map(float, range(recipe.data.levels))))
    return IntegerEncoding()


@pytest.mark.parametrize("path", _RECIPES, ids=lambda path: path.stem)
def test_a_recipe_can_be_read_and_its_network_built(path: Path) -> None:
    recipe = Recipe.load(path)
    board = "" if recipe.hardware is None else f"_{recipe.hardware.synth.board.partition('-')[0]}"
    assert path.stem in (recipe.name, recipe.name + board, f"{recipe.name}_small")
    own = recipe.data.file is not None
    if not own and recipe.network.topology is not Topology.MLP:
        network, dataset = recipe.network.topology.value, recipe.data.dataset.value
        assert recipe.name == trained_name(network, dataset)  # what a pretrained network is called
    shape = _SHAPES[recipe.name if own else recipe.data.dataset.value]
    model = build_network(recipe.network, input_shape=shape, encoding=_encoding(recipe), classes=10)
    assert model.input_shape == shape


def test_building_without_hardware_stops_before_any_work(tmp_path: Path) -> None:
    recipe = next(path for path in _RECIPES if path.stem == "lenet5_mnist")
    with pytest.raises(ConfigError, match=r"\[hardware\].* is missing .*run `bnnedge train`"):
        build(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_recipe_is_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Recipe.load("digits").training.epochs == 60
    own = (RECIPES / "digits.toml").read_text().replace("epochs = 60", "epochs = 7")
    (tmp_path / "digits").write_text(own)
    assert Recipe.load("digits").training.epochs == 7  # a file that is there wins
    with pytest.raises(ConfigError, match=r"cannot read digts: .*mean digits\?.*`bnnedge recipes`"):
        Recipe.load("digts")
    with pytest.raises(ConfigError, match=r"digits_8.toml: there is no such file.*mean digits\?"):
        Recipe.load(tmp_path / "digits_8.toml")


def test_every_recipe_says_what_it_is() -> None:
    assert all(entry.description.endswith(".") for entry in listings.recipes())
