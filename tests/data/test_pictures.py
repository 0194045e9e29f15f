"""Pictures in folders, one a class: whole, odd and damaged, and through a training."""

import io
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bnnedge import verbs
from bnnedge.data.config import DataConfig, DatasetName, EncodingKind
from bnnedge.data.datasets import load_data, load_dataset
from bnnedge.data.pictures import read_picture
from bnnedge.errors import BnnEdgeError, ConfigError, DataError
from bnnedge.reading import PicturesReading
from bnnedge.recipe import Recipe, Use
from tests.data.recipes import require_refused

RECIPE = """\
name = "light"
[network]
topology = "mlp"
hidden = [8]
[data]
dataset = "images"
folder = "pictures"
encoding = "threshold"
threshold = 100.0
images = { size = [4, 5], grey = true }
[training]
epochs = 20
batch_size = 4
learning_rate = 0.02
"""
GREY = PicturesReading(size=(4, 5), grey=True)


def grey(level: int, size: tuple[int, int] = (9, 7)) -> Image.Image:
    return Image.new("L", size, level)


def write(folder: Path, count: int = 15) -> Path:
    """Two classes of pictures, bright and dark."""
    random = np.random.default_rng(0)
    for name, least in (("dark", 0), ("bright", 130)):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            picture = random.integers(least, least + 90, (7, 9)).astype(np.uint8)
            Image.fromarray(picture).save(folder / name / f"{index}.png")
    return folder


def config(folder: Path, **more: Any) -> DataConfig:
    return DataConfig(
        dataset=DatasetName.IMAGES, folder=folder, encoding=EncodingKind.INTEGER, **more
    )


def test_folders_are_classes_and_a_part_of_each_is_kept_for_the_test(tmp_path: Path) -> None:
    folder = write(tmp_path / "pictures")
    data = load_data(config(folder, images=GREY))
    assert data.classes == ("bright", "dark") and data.input_shape == (1, 4, 5)
    assert np.bincount(data.train.labels).tolist() == [12, 12]
    assert np.bincount(data.test.labels).tolist() == [3, 3]
    assert (data.train.images[data.train.labels == 0] > 100).all()
    again = load_data(config(folder, images=GREY))
    assert again.sha256() == data.sha256()
    assert load_data(config(folder, images=GREY, seed=1)).sha256() != data.sha256()
    half = load_data(config(folder, test_fraction=0.5))
    assert len(half.test) == 16 and half.input_shape == (3, 32, 32)


def test_names_of_classes_are_part_of_the_data(tmp_path: Path) -> None:
    folder = write(tmp_path / "pictures")
    one = load_data(config(folder)).sha256()
    (folder / "bright").rename(folder / "alight")
    assert load_data(config(folder)).sha256() != one


def test_parts_are_taken_as_they_are(tmp_path: Path) -> None:
    for part in ("train", "test", "validation"):
        write(tmp_path / part, 3)
    data = load_data(config(tmp_path))
    assert [len(split) for split in (data.train, data.test)] == [6, 6]
    assert data.validation is not None and len(data.validation) == 6


def test_odd_names_and_links_are_data(tmp_path: Path) -> None:
    folder = write(tmp_path / "pictures")
    (folder / "a class; rm -rf *\u00e9").mkdir()
    for index in range(4):
        odd = folder / "a class; rm -rf *\u00e9" / f"$(x) {index}\n.PNG"
        odd.symlink_to(folder / "dark" / f"{index}.png")
    (folder / "README.txt").write_text("beside the classes")
    (folder / "dark" / ".DS_Store").write_bytes(b"\0")
    assert load_data(config(folder)).classes == ("a class; rm -rf *\u00e9", "bright", "dark")


@pytest.mark.parametrize(
    ("image", "value"),
    [
        (grey(77), 77),
        (Image.new("1", (9, 7), 1), 255),
        (Image.new("P", (9, 7), 0), 0),
        (Image.new("RGBA", (9, 7), (0, 0, 0, 0)), 255),
        (Image.new("RGBA", (9, 7), (10, 10, 10, 255)), 10),
        (Image.new("LA", (9, 7), (0, 0)), 255),
        (Image.fromarray(np.full((7, 9), 0x4D12, np.uint16)), 0x4D),
    ],
)
def test_every_kind_of_picture_becomes_bytes(
    image: Image.Image, value: int, tmp_path: Path
) -> None:
    image.save(tmp_path / "x.png")
    assert (read_picture(tmp_path / "x.png", GREY) == value).all()
    colour = read_picture(tmp_path / "x.png", PicturesReading(size=(4, 5)))
    assert colour.shape == (3, 4, 5) and (colour == value).all()


def test_jpegs_of_printers_are_read(tmp_path: Path) -> None:
    Image.new("CMYK", (9, 7), (0, 255, 255, 0)).save(tmp_path / "x.jpg")
    red = read_picture(tmp_path / "x.jpg", PicturesReading(size=(1, 1)))[:, 0, 0]
    assert red[0] > 200 and red[1:].max() < 60


def test_the_middle_is_taken_and_turned_as_the_camera_was(tmp_path: Path) -> None:
    image = np.full((4, 12), 255, np.uint8)
    image[:, 4:8] = np.arange(0, 160, 40)[:, None]
    Image.fromarray(image).save(tmp_path / "x.png")
    square = PicturesReading(size=(4, 4), grey=True)
    middle = read_picture(tmp_path / "x.png", square)[0]
    assert (middle == image[:, 4:8]).all()
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(image).save(tmp_path / "y.png", exif=exif)
    assert (read_picture(tmp_path / "y.png", square)[0] == middle[::-1]).all()


def _png_of(width: int, height: int) -> bytes:
    """A small file that says to be a large picture."""
    out = io.BytesIO()
    grey(0, (1, 1)).save(out, "PNG")
    content = bytearray(out.getvalue())
    content[16:24] = width.to_bytes(4) + height.to_bytes(4)
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
    return bytes(content)


def _animation() -> bytes:
    out = io.BytesIO()
    grey(0).save(out, "GIF", save_all=True, append_images=[grey(255)])
    return out.getvalue()


def _png() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 30), np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x.png is damaged or no picture"),
        (b"GIF89a", "x.png is damaged"),
        (_png()[:400], "x.png is damaged"),
        (_png_of(60_000, 60_000), "x.png: wanted at most 67,108,864 pixels, got "),
        (_png_of(9_000, 9_000), "x.png: wanted at most 67,108,864 pixels, got 9000 x 9000"),
        (_animation(), "x.png: wanted one picture, got 2"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "damaged or no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "damaged or no picture"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_picture(tmp_path / "x.png", GREY)
    assert "\n" not in str(caught.value)


def test_a_name_with_a_line_break_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "x\ny.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"x\\ny.png' is damaged") as caught:
        read_picture(tmp_path / "x\ny.png", GREY)
    assert "\n" not in str(caught.value)


def _emptied(folder: Path) -> None:
    for path in (folder / "dark").iterdir():
        path.unlink()


def _lonely(folder: Path) -> None:
    for path in (folder / "dark").iterdir():
        if path.name != "0.png":
            path.unlink()


WRONG: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: (folder / "dark").rename(folder.parent / "x"), "2…1000 classes, .* got 1"),
    (_emptied, "dark: wanted files of .bmp, .*, it is empty"),
    (_lonely, "wanted at least 2 inputs of class 'dark', to train and to select with, got 0"),
    (lambda folder: (folder / "dark" / "notes.txt").touch(), "got 'notes.txt'"),
    (lambda folder: (folder / "dark" / "more").mkdir(), "got the folder 'more'"),
    (lambda folder: (folder / "dark" / "x.png").symlink_to("x.png"), "cannot read .*x.png"),
    (lambda folder: os.mkfifo(folder / "dark" / "x.png"), "got a device or a pipe"),
    (lambda folder: (folder / "x\ny").mkdir(), "a class: wanted 1 to 255 printable"),
    (lambda folder: folder.rename(folder.parent / "x"), "cannot read the folder .*: No such file"),
]


@pytest.mark.parametrize(("spoil", "message"), WRONG)
def test_what_is_wrong_with_folders_is_said(
    spoil: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "pictures", 3)
    spoil(folder)
    with pytest.raises(DataError, match=message) as caught:
        load_data(config(folder))
    assert "\n" not in str(caught.value)


def test_what_is_wrong_with_folders_is_said_before_any_work(tmp_path: Path) -> None:
    _lonely(write(tmp_path / "pictures"))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    with pytest.raises(ConfigError, match="data: .*wanted at least 2 inputs of class 'dark'"):
        Recipe.load(tmp_path / "recipe.toml", Use.TRAIN)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("size = [4, 5]", "size = [0, 5]", r"images: size wants height and width of 1…4096"),
        ("size = [4, 5]", "size = 4", "wanted a list, got 4"),
        ("size", "sise", r"unknown key sise \(did you mean size\?\)"),
        ('folder = "pictures"', "", "images want folder, which holds a folder of pictures for"),
        ("threshold = 100.0", "threshold = 100.0\ntest_fraction = 1.5", "test_fraction wants a"),
        ('"images"\nfolder = "pictures"', '"digits"', "digits takes no images"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_said(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    require_refused(tmp_path, RECIPE.replace(old, new), message)


def test_pictures_have_no_folder_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(BnnEdgeError, match=r"images: a recipe's \[data\] says how they are read"):
        load_dataset(DatasetName.IMAGES)


def test_recipe_with_pictures_trains(tmp_path: Path) -> None:
    write(tmp_path / "pictures")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    trained = verbs.train(tmp_path / "recipe.toml", tmp_path / "train")
    assert trained.facts.test_accuracy == 1
    record = json.loads((tmp_path / "train" / "checkpoint.json").read_text())
    assert record["classes"] == ["bright", "dark"]
    assert record["config"]["data"]["images"] == {"size": [4, 5], "grey": True}
