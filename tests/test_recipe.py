"""A recipe is refused before any work, and everything that is wrong with it is said at once."""

import json
from pathlib import Path

import pytest

from bnnedge.data.config import DatasetName
from bnnedge.data.datasets import load_dataset
from bnnedge.errors import ConfigError, ToolMissingError
from bnnedge.pipeline import build
from bnnedge.recipe import Recipe, Use
from tests.test_cli import RECIPE

CNV = (("[8]", "[]"), ('"mlp"', '"cnv"'))


def load(tmp_path: Path, *changes: tuple[str, str], use: Use = Use.BUILD) -> Recipe:
    text = RECIPE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "r.toml").write_text(text)
    return Recipe.load(tmp_path / "r.toml", use)


def test_a_right_recipe_is_taken(tmp_path: Path) -> None:
    assert load(tmp_path).name == "small"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ulx3s-85f", "ulx3s-86f", r"hardware.board: board 'ulx3s-86f' is unknown \(did you mean"),
        (
            '"ulx3s-85f"',
            '"pynq-z2"\nseed = 7',
            "hardware: seed: pynq-z2 is placed by Vivado, got 7",
        ),
        ("clock_mhz = 50", "clock_mhz = nan", "hardware.clock_mhz: wanted a finite number"),
        ("clock_mhz = 50", "clock_mhz = 0", "clock_mhz wants a number above 0, got 0"),
        ("clock_mhz = 50", "clock_mhz = -1", "clock_mhz wants a number above 0, got -1"),
        ("clock_mhz = 50", "clock_mhz = 2", "hardware.clock_mhz: .*3.125 to 400 MHz"),
        ("clock_mhz = 50", "clock_mhz = 1e9", "hardware.clock_mhz: .*3.125 to 400 MHz"),
        ("target_fps = 1000", "target_fps = nan", "hardware.target_fps: wanted a finite number"),
        ("target_fps = 1000", "target_fps = inf", "hardware.target_fps: wanted a finite number"),
        ("target_fps = 1000", "target_fps = 0", "target_fps wants a number above 0"),
        ("target_fps = 1000", "target_fps = 1e9", "an image in every cycle"),
        ("target_fps = 1000", 'folding = "no.json"', "hardware.folding: cannot read .*no.json"),
        ("batch_size", "batchsize", r"unknown key batchsize \(did you mean batch_size\?\)"),
        ('"digits"', '"digit"', r"data.dataset: .* got 'digit' \(did you mean digits\?\)"),
        ('"digits"', '"mnist"', "data: mnist: .*is not in .*run `bnnedge fetch mnist`"),
        ("8.0", "8.0\ninputs = 65", "network: wanted at most the 64 bits of an input, got 65"),
        ("8.0", "8.0\ninputs = 65537", "data: inputs wants 1…65,536 bits, got 65537"),
        ("8.0", "17.0", "data: threshold wants a number above 0 and up to 16"),
        ("epochs = 1", "epochs = true", "training.epochs: wanted int, got True"),
        ("epochs = 1", f"epochs = {2**63}", "training.epochs: wanted a number of at most 64 bits"),
        ("epochs = 1", f"epochs = 0x{'f' * 4000}", "training.epochs: .* too long to print"),
        ("[8]", '"8"', r"network.hidden: wanted a list, got '8' \(did you mean \[8\]\?\)"),
        ("[8]", "8", r"network.hidden: wanted a list, got 8 \(did you mean \[8\]\?\)"),
        ("[8]", '"wide"', "network.hidden: wanted a list, got 'wide'$"),
        ("[8]", "[65536, 65536]", "network: wanted at most 134,217,728 weights, got 4,2"),
        ("[8]", "[8]\nactivations = 'float'", "network: hardware wants binary weights"),
        ("[data]", "[training.distill]\n[data]", "go together, got only .training.distill."),
        ("[data]", '[teacher]\ncheckpoint = "t"\n[data]', "checkpoint.pt is missing"),
        ("[hardware]", "[training.augment]\nshift = 1\n[hardware]", "augment wants images"),
        ("[hardware]", "[training]\n[hardware]", "it is not TOML"),
        ("[hardware]", "[hardwear]", r"unknown key hardwear \(did you mean hardware\?\).*missing"),
        ("[network]", "network = 1\n[other]", "network: wanted a table, got 1"),
    ],
)
def test_mistakes_are_found_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, (old, new))


def test_layers_that_do_not_fit_the_data(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"network: cnv wants images .* got inputs of shape"):
        load(tmp_path, *CNV)
    with pytest.raises(ConfigError, match="network: .*cnv wants images of at least 32x32"):
        load(tmp_path, *CNV, ('"digits"', '"mnist"'), use=Use.READ)


def test_images_of_convolutions_are_taken_whole(tmp_path: Path) -> None:
    conv1d = ('"mlp"', '"conv1d"\nlayers = [{ conv = 4 }]'), ("hidden = [8]", "")
    with pytest.raises(
        ConfigError, match="network: conv1d takes whole inputs, and got 40 selected"
    ):
        load(tmp_path, *conv1d, ("8.0", "8.0\ninputs = 40"), use=Use.READ)
    load(tmp_path, *conv1d, use=Use.READ)
    load(tmp_path, ("8.0", "8.0\ninputs = 40"), use=Use.READ)


def test_what_no_folding_reaches_is_found_before_the_training(tmp_path: Path) -> None:
    cifar = (*CNV, ('"digits"', '"cifar-10"'), ("target_fps = 1000", "target_fps = 7000"))
    with pytest.raises(ConfigError, match="target_fps: wanted at most 6172.84 images/s.*got 7000"):
        load(tmp_path, *cifar, use=Use.READ)
    resnet = (*cifar, ('"cnv"', '"resnet20"'))
    with pytest.raises(ConfigError, match="target_fps: wanted at most 5425.35 images/s"):
        load(tmp_path, *resnet, use=Use.READ)


def test_images_that_no_frame_holds(tmp_path: Path) -> None:
    levels = ('"threshold"\nthreshold = 8.0', '"thermometer"\nlevels = 200')
    changes = (*CNV, ('"digits"', '"cifar-10"'), levels)
    with pytest.raises(ConfigError, match="hardware.board: an image is 76800 bytes"):
        load(tmp_path, *changes, use=Use.READ)
    load(tmp_path, *changes, ("ulx3s-85f", "pynq-z2"), use=Use.READ)
    dense = (('"digits"', '"cifar-10"'), levels)
    with pytest.raises(ConfigError, match="hardware.board: an image is 76800 bytes"):
        load(tmp_path, *dense, use=Use.READ)
    load(tmp_path, *dense, ("= 200", "= 200\ninputs = 800"), use=Use.READ)


def test_everything_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            tmp_path,
            ("epochs = 1", "epochs = 0\nseed = -1"),
            ("learning_rate", "learningrate"),
            ("ulx3s-85f", "arty"),
            ("clock_mhz = 50", "clock_mhz = nan"),
            ("target_fps = 1000", 'folding = "no.json"'),
            ("[8]", "[]"),
            ("8.0", "-3.0"),
            ('"small"', '"../small"'),
        )
    text = str(caught.value)
    for part in (
        "r.toml: 8 faults: (1) ",
        "name: wanted 1 to 64 letters",
        "hidden",
        "threshold wants",
        "unknown key learningrate (did you mean learning_rate?)",
        "training.learning_rate: is missing",
        "board 'arty' is unknown",
        "hardware.clock_mhz: wanted a finite number",
        "no.json",
    ):
        assert part in text
    assert "\n" not in text


def test_all_of_a_section_is_said_at_once(tmp_path: Path) -> None:
    changes = (("epochs = 1", "epochs = 0\nseed = -1\ndropout = 1.0"), ("0.02", "99.0"))
    with pytest.raises(ConfigError, match="4 faults") as caught:
        load(tmp_path, *changes)
    assert len(caught.value.faults) == 4


def test_a_thousand_faults_are_still_a_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1000 faults: .*and 980 more") as caught:
        load(tmp_path, ("[8]", str(["x"] * 1000).replace(" ", "\n")))
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize("folding", [{"mvu0": {"PE": 0, "SIMD": 1}}, {"mvu0": 1}, [], 3])
def test_a_folding_that_is_none(tmp_path: Path, folding: object) -> None:
    (tmp_path / "f.json").write_text(json.dumps(folding))
    with pytest.raises(ConfigError, match="hardware.folding: .*f.json: .*wanted"):
        load(tmp_path, ("target_fps = 1000", 'folding = "f.json"'))


def test_what_is_only_read_needs_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    assert load(tmp_path, ('"digits"', '"mnist"'), use=Use.READ).hardware is not None


def test_paths_are_relative_to_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text('{"mvu0": {"PE": 1, "SIMD": 1}}')
    recipe = load(tmp_path, ("target_fps = 1000", 'folding = "f.json"'))
    assert recipe.hardware is not None and recipe.hardware.rtl.folding == tmp_path / "f.json"


def test_a_build_names_all_missing_tools_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.toml").write_text(RECIPE)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(ToolMissingError, match=r"g\+\+ .*yosys .*nextpnr-ecp5 .*ecppack"):
        build(tmp_path / "r.toml", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_said_of_the_data_without_reading_them_is_right() -> None:
    digits = load_dataset(DatasetName.DIGITS)
    assert digits.input_shape == DatasetName.DIGITS.input_shape
    assert digits.input_range == (0, DatasetName.DIGITS.largest_value)
    assert int(digits.train.images.max()) == DatasetName.DIGITS.largest_value
