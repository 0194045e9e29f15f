"""Data sets that lie inside packages, as the arrays that `dataset = "npz"` of a recipe takes.

    python build_scripts/package_data.py vowels vowels.npz
    python build_scripts/package_data.py dna dna.npz

vowels: JapaneseVowels, nine speakers' /ae/ as 25 steps of 12 cepstral coefficients, divided into
training and test data as published; from PyPI's aeon, of which nothing is installed or run.
dna: splice junctions as 180 bits, 60 bases each by two or none of three bits; from Debian's
r-cran-mlbench, read without R (`pip install rdata==1.1.0`). A fifth of every class is for the test.
"""

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.data.splits import stratified

AEON = "aeon==1.6.0"
MLBENCH = "r-cran-mlbench"
_TS = "aeon/datasets/data/JapaneseVowels/JapaneseVowels_eq_{}.ts"
_SEED = 0

Arrays = dict[str, NDArray[np.uint8 | np.int64]]


def read_ts(text: str) -> tuple[NDArray[np.float64], list[str]]:
    """Series of equal length in aeon's `.ts` format → values (N, channels, steps), and classes."""
    lines = [line for line in text.splitlines() if line.strip()]
    begin = next(i for i, line in enumerate(lines) if line.strip().lower() == "@data") + 1
    series = [line.split(":") for line in lines[begin:]]
    values = [[np.array(part.split(","), np.float64) for part in parts] for *parts, _ in series]
    return np.array(values), [parts[-1].strip() for parts in series]


def as_bytes(train: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Values (N, channels, steps) → 0…255, each channel's range in the training data."""
    low, high = (end(axis=(0, 2))[:, None] for end in (train.min, train.max))
    return np.round((values - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)


def vowels(wheel: Path) -> Arrays:
    """The arrays of JapaneseVowels in aeon's wheel."""
    with zipfile.ZipFile(wheel) as archive:
        found = {
            part: read_ts(archive.read(_TS.format(part.upper())).decode())
            for part in ("train", "test")
        }
    names = sorted(set(found["train"][1]))
    arrays: Arrays = {}
    for part, (values, words) in found.items():
        arrays[f"x_{part}"] = as_bytes(found["train"][0], values)
        arrays[f"y_{part}"] = np.array([names.index(word) for word in words], np.int64)
    return arrays


def dna(rda: Path) -> Arrays:
    """The arrays of mlbench's `DNA.rda`."""
    import rdata

    table = rdata.read_rda(rda)["DNA"]
    columns = [name for name in table.columns if name != "Class"]
    x = table[columns].to_numpy().astype(np.uint8)
    classes = table["Class"].astype(str).to_numpy()
    y = np.unique(classes, return_inverse=True)[1].astype(np.int64)
    parts = dict(zip(("train", "test"), stratified(y, 0.2, _SEED), strict=True))
    return {
        f"{letter}_{part}": array[rows]
        for part, rows in parts.items()
        for letter, array in (("x", x), ("y", y))
    }


def _wheel(work: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", AEON]
    subprocess.run(pip, cwd=work, check=True)
    return next(work.glob("aeon-*.whl"))


def _rda(work: Path) -> Path:
    subprocess.run(["apt-get", "download", MLBENCH], cwd=work, check=True)
    archive = next(work.glob(f"{MLBENCH}_*.deb"))
    subprocess.run(["dpkg-deb", "-x", archive, "files"], cwd=work, check=True)
    return work / "files/usr/lib/R/site-library/mlbench/data/DNA.rda"


_SETS: Mapping[str, tuple[Callable[[Path], Path], Callable[[Path], Arrays]]] = {
    "vowels": (_wheel, vowels),
    "dna": (_rda, dna),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=_SETS)
    parser.add_argument("file", type=Path, help="the .npz to write")
    asked = parser.parse_args()
    fetch, read = _SETS[asked.name]
    with tempfile.TemporaryDirectory() as folder:
        arrays = read(fetch(Path(folder)))
    np.savez_compressed(asked.file, **arrays)
    print(", ".join(f"{name} {array.shape}" for name, array in arrays.items()))


if __name__ == "__main__":
    main()
