"""Which rows are held out: a share of every class, fixed by a seed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import DataError
from bnnedge.names import shown

_LEAST_LEFT = 2


def stratified(
    labels: NDArray[np.int64], fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (rest, held out): `fraction` of every class, at least one image, is held out."""
    rng = np.random.default_rng(seed)
    held_out = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        held_out.append(members[: max(1, round(fraction * len(members)))])
    out = np.sort(np.concatenate(held_out))
    return np.setdiff1d(np.arange(len(labels)), out), out


def split_test(
    labels: NDArray[np.int64], classes: Sequence[str], fraction: float, seed: int, *, where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (training, test), stratified by class and fixed by `seed`.

    Args:
        labels: of every input, all classes being there.
        classes: their names.
        fraction: share of every class that is tested with.
        seed: picks them.
        where: what an error calls the data.

    Raises:
        DataError: a class has too few to train with, to select with and to test with.
    """
    train, test = stratified(labels, fraction, seed)
    require_two(labels[train], classes, where=where, tested=labels[test])
    return train, test


def require_two(
    labels: NDArray[np.int64],
    classes: Sequence[str],
    *,
    where: str,
    tested: NDArray[np.int64] | None = None,
) -> None:
    """Raise unless there are two of every class: one to train with, one to select with.

    Args:
        labels: of what is to train and to select with.
        classes: names, by label.
        where: what an error calls the data.
        tested: labels of what was taken of them to test with.

    Raises:
        DataError: names the first class with fewer.
    """
    left = np.bincount(labels, minlength=len(classes))
    for label in np.flatnonzero(left < _LEAST_LEFT)[:1]:
        taken = 0 if tested is None else int((tested == label).sum())
        beside = f" of {left[label] + taken}, beside {taken} to test with" if taken else ""
        raise DataError(
            f"{where}: wanted at least {_LEAST_LEFT} inputs of class {shown(classes[label])}, to"
            f" train and to select with, got {left[label]}{beside}",
            remedy="add some, or leave the class out",
        )
