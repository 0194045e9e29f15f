"""What lies behind a point, as a function of one integer per channel.

Elementwise nodes see one pixel instead of a feature map, their constants cut down to it. A maximum
is a choice among accumulators, so it needs no run; a sum is run on a window that has that sum.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import get_by_name

from bnnedge.dataflow import Window
from bnnedge.errors import LoweringError
from bnnedge.lowering.execute import Runner, Tensors
from bnnedge.lowering.layout import Layout, follow
from bnnedge.lowering.rounding import Grid
from bnnedge.lowering.structure import Region
from bnnedge.lowering.vocabulary import MAX_POOLS, RESHAPING, called
from bnnedge.lowering.windows import window_of

Floats = NDArray[np.float32]


class RegionProbe:
    """The nodes behind one point, run on chosen integers.

    Args:
        model: the graph.
        signs: see `Runner`.
        region: the nodes.

    Attributes:
        layouts: of every tensor of the region, by name.
        windows: of the region's pools.

    Raises:
        LoweringError: a node of the region does not act on each channel by itself.
    """

    def __init__(self, model: ModelWrapper, signs: Mapping[str, float], region: Region) -> None:
        self._model, self._region = model, region
        self.windows = [window_of(model, pool) for pool in region.pools]
        self.layouts: dict[str, Layout] = {}
        constants: dict[str, NDArray[Any]] = {}
        entering = Runner(model)
        for barrier, section in zip((region.start, *region.pools), region.sections, strict=True):
            tensor = str(barrier.output[0])
            if barrier is not region.start and not self.layouts[barrier.input[0]].is_map:
                self.layouts[barrier.input[0]].refuse(barrier)
            layout = Layout.behind(barrier, model.get_tensor_shape(tensor))
            self.layouts |= follow(layout, entering, section, tensor)
            for node in section:
                constants |= self._cut(node)
        self._constants = constants
        self._runner = Runner(model, signs, constants)
        self._pool_runners = [Runner(model) for _ in region.pools]

    @property
    def sums(self) -> bool:
        """Whether the accumulators are summed up over windows, scaled and shifted at most."""
        return bool(self._region.pools) and self._region.pools[0].op_type not in MAX_POOLS

    def roundings(self, limit: int, bias: str | None) -> list[str]:
        """Where the original's own sums round, as `Lift` calls it; needs ±1 weights.

        Args:
            limit: the layer's largest accumulator, not summed up over the window.
            bias: the tensor behind a bias that the original adds inside the layer's sum, if any.

        Raises:
            LoweringError: see `_affine`.
        """
        scale, shift = self._affine() if self.sums else (np.ones(1), np.zeros(1))
        found: list[str] = []
        grid = Grid.integers(limit, next(iter(self.layouts.values())).channels)
        lost = ""
        for node in self._region.sections[0]:
            step = self._step(node)
            if step is None:
                break
            op, value = step
            grid = grid.scaled(value) if op == "Mul" else grid.shifted(value)
            if not grid.is_exact:
                lost = lost or {"Mul": "scale", "Add": "shift"}[op]
                found += ["bias"] if node.output[0] == bias else []
        if not self.sums:
            return found
        pool = self._region.pools[0]
        if pool.op_type == "Conv":
            grid = grid.scaled(self._model.get_initializer(pool.input[1])[:, 0, 0, 0])
            lost = lost or ("" if grid.is_exact else "scale")
        summed = grid.summed(self.windows[0].taps)
        if (shift.any() or (scale != 1).any()) and not summed.is_exact:
            lost = lost or ("shift" if shift.any() else "scale")
        return [*found, *([f"{lost} before a sum"] if lost else [])]

    def elements(self) -> int:
        """Floats that a row of values takes per channel, at most."""
        return self.windows[0].taps if self.sums else 1

    def run(self, tensor: str, values: Floats) -> tuple[list[Floats], Tensors]:
        """Run the region on accumulators, or on sums of them where `sums`.

        Args:
            tensor: what the region begins with.
            values: (rows, C).

        Returns:
            What enters each max-pool, (rows, C) each; and every tensor by name, (rows, …).
        """
        pooled: list[Floats] = []
        made: Tensors = {}
        if self.sums:
            scale, shift = self._affine()
            sums = values * scale + shift * self.windows[0].taps
            values = one_window(
                self._pool_runners[0],
                self._region.pools[0],
                self.windows[0],
                np.asarray(sums, np.float32),
            )
        for index, section in enumerate(self._region.sections):
            if index == 0 and self.sums:
                continue
            if index == 1 and self.sums:
                tensor = str(self._region.pools[0].output[0])
            elif index:
                pool = self._region.pools[index - 1]
                values = made[pool.input[0]].reshape(len(values), -1)
                tensor = str(pool.output[0])
                pooled.append(values)
            made[tensor] = values.reshape(len(values), *self._one_pixel(tensor, section))
            for node in section:
                if node.op_type in RESHAPING:
                    shape = self._one_pixel(node.output[0], section)
                    made[node.output[0]] = made[node.input[0]].reshape(len(values), *shape)
                    continue
                feeds = {name: made[name] for name in node.input if name in made}
                done = self._runner.run([node], feeds)
                made |= {name: done[name] for name in node.output if name}
        return pooled, made

    def _affine(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scale and shift (C,) of the Mul and Add nodes between the layer and a sum.

        Raises:
            LoweringError: something else is there, or the shift meets padding.
        """
        pool = self._region.pools[0]
        channels = self.layouts[pool.input[0]].channels
        scale, shift = np.ones(channels), np.zeros(channels)
        for node in self._region.sections[0]:
            step = self._step(node)
            if step is not None:
                op, value = step
                factor, added = (value, np.zeros(1)) if op == "Mul" else (np.ones(1), value)
                scale, shift = scale * factor, shift * factor + added
            else:
                raise LoweringError(
                    f"{called(pool)}: sums up what {called(node)} makes, wanted sums of"
                    " accumulators, scaled at most",
                    remedy="put what normalises or binarises behind the sum or average",
                )
        if shift.any() and any(self.windows[0].padding):
            raise LoweringError(
                f"{called(pool)}: pads what was shifted", remedy="put the shift behind it"
            )
        return scale, shift

    def _step(self, node: Any) -> tuple[str, NDArray[np.float64]] | None:
        """Mul or Add and its constant, (C,) or one; None for another node."""
        if node.op_type == "Identity":
            return "Add", np.zeros(1)
        constants = [self._constants[name] for name in node.input if name in self._constants]
        if node.op_type not in ("Mul", "Add") or len(constants) != 1:
            return None
        return node.op_type, constants[0].reshape(-1).astype(np.float64)

    def _one_pixel(self, tensor: str, section: tuple[Any, ...]) -> list[int]:
        layout = self.layouts[tensor]
        if not section and not self._region.pools:
            return [layout.channels, *([1] * (layout.at.ndim - 2))]
        return [len(indices) for indices in layout.kept(None)[1:]]

    def _cut(self, node: Any) -> dict[str, NDArray[Any]]:
        """The constants of an elementwise node for one pixel, by name."""
        if node.op_type in RESHAPING:
            return {}
        layout = self.layouts[node.output[0]]
        cut = {}
        for name in node.input:
            constant = self._model.get_initializer(name) if name else None
            if constant is not None:
                cut[name] = layout.along(node, constant, _axis(node, name, layout))
        return cut


def one_window(runner: Runner, pool: Any, window: Window, sums: Floats) -> Floats:
    """What a sum or average `pool` gives (rows, C) for windows with these sums (rows, C).

    That is for one value and zeros.
    """
    data = np.zeros((*sums.shape, *window.span), np.float32)
    data[:, :, 0, 0] = sums
    alone = onnx.NodeProto()
    alone.CopyFrom(pool)
    for name in ("pads", "auto_pad", "ceil_mode"):
        found = get_by_name(alone.attribute, name)
        if found is not None:
            alone.attribute.remove(found)
    made = runner.run([alone], {pool.input[0]: data})
    return made[pool.output[0]].reshape(sums.shape)


def _axis(node: Any, name: str, layout: Layout) -> int | None:
    """The axis along which a constant is given, where it is not broadcast."""
    if node.op_type == "BatchNormalization":
        return 1
    if node.op_type == "MultiThreshold":
        found = get_by_name(node.attribute, "data_layout")
        last = found is not None and found.s.decode().endswith("C")
        return layout.at.ndim - 1 if last else 1
    return None


def padding_classes(window: Window, height: int, width: int) -> NDArray[np.int32]:
    """The pixels of a padded window's output by which taps fall outside: classes (OH, OW)."""
    inside = window.inside(height, width)
    _, classes = np.unique(inside.reshape(-1, window.taps), axis=0, return_inverse=True)
    return classes.reshape(inside.shape[:2]).astype(np.int32)
