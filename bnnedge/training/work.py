"""The folder of a training that is under way: enough to go on from the last epoch, and its logs.

`<out>.partial-training/<key>/` lies beside the folder that will be published. `key` stands for
the recipe and the data, so that a changed recipe begins anew; going back to the first one goes on
where that was interrupted. The folder disappears when the training is published.
"""

import contextlib
import csv
import dataclasses
import hashlib
import io
import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnnedge.artifacts import sha256_of
from bnnedge.errors import BnnEdgeWarning
from bnnedge.interrupts import whole_calls
from bnnedge.tools import python_versions
from bnnedge.training.config import EpochReport

HISTORY = "history.csv"
TENSORBOARD = "tensorboard"
_STATE = "state.pt"
_FORMAT = 1  # of the state; raise it when what a key means changes


class WorkFolder:
    """Where the training for `out` keeps its state.

    Args:
        out: the folder that will be published.
        config: what the training depends on, as JSON values.
        inputs: files that it depends on.
    """

    def __init__(self, out: Path, config: Mapping[str, Any], inputs: Sequence[Path] = ()) -> None:
        files = [sha256_of(path) for path in inputs]
        key = json.dumps([config, files, python_versions("torch")], sort_keys=True)
        self._root = out.with_name(f"{out.name}.partial-training")
        self.folder = self._root / hashlib.sha256(key.encode()).hexdigest()[:12]

    def load(self) -> dict[str, Any] | None:
        """The state saved last, or None where there is none that can be read."""
        import torch

        path = self.folder / _STATE
        if not path.is_file():
            return None
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch.load lets through whatever a damaged file provokes
            self.refuse(error)
            return None
        found = state.pop("format", None) if isinstance(state, dict) else None
        if found != _FORMAT:
            self.refuse(ValueError(f"wanted state format {_FORMAT}, got {found}"))
            return None
        assert isinstance(state, dict)
        return state

    def refuse(self, error: Exception) -> None:
        """Say why there is a state that the training does not go on from."""
        path = self.folder / _STATE
        warnings.warn(
            f"{path} cannot be used, training begins anew: {error}", BnnEdgeWarning, stacklevel=2
        )

    def save(self, state: Mapping[str, Any], history: Sequence[EpochReport]) -> None:
        """Keep the state, and the log of all epochs, in place of what was there."""
        import torch

        self.folder.mkdir(parents=True, exist_ok=True)
        with (partial := self.folder / f"{HISTORY}.partial").open(
            "w", newline="", encoding="utf-8"
        ) as sink:
            fields = [field.name for field in dataclasses.fields(EpochReport)]
            writer = csv.DictWriter(sink, fields)
            writer.writeheader()
            writer.writerows(dataclasses.asdict(report) for report in history)
        partial.replace(self.folder / HISTORY)
        partial = self.folder / f"{_STATE}.partial"
        packed = io.BytesIO()  # a full disk under torch.save itself is a RuntimeError
        torch.save({**state, "format": _FORMAT}, packed)
        partial.write_bytes(packed.getbuffer())
        partial.replace(self.folder / _STATE)

    def curves(self, done: int) -> "Curves":
        """A TensorBoard log that goes on after `done` epochs; what it had of later ones goes."""
        folder = self.folder / TENSORBOARD
        if not done:  # TensorBoard may read two logs of one second in either order
            shutil.rmtree(folder, ignore_errors=True)
        return Curves(folder, done)

    def publish(self, folder: Path) -> None:
        """Copy the logs into the folder that is published."""
        shutil.copy(self.folder / HISTORY, folder)
        shutil.copytree(self.folder / TENSORBOARD, folder / TENSORBOARD)

    def remove(self) -> None:
        """Remove the state; that of other recipes for the same folder stays."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # it holds others'
            self._root.rmdir()


class Curves:
    """TensorBoard scalars: one point an epoch."""

    def __init__(self, folder: Path, done: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # half a second

        with whole_calls():
            self._writer = SummaryWriter(str(folder), purge_step=done + 1)

    def add(self, report: EpochReport) -> None:
        """Write the figures of an epoch to disk."""
        with whole_calls():
            for name in ("loss", "learning_rate", "validation_accuracy", "seconds"):
                self._writer.add_scalar(name, getattr(report, name), report.epoch)
            self._writer.flush()

    def __enter__(self) -> "Curves":
        return self

    def __exit__(self, *_: object) -> None:
        with whole_calls():
            self._writer.close()
