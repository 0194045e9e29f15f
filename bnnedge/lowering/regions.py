"""What lies behind a point, as a function of one integer per channel.

Elementwise nodes see one pixel instead of a feature map, their constants cut down to it. A maximum
is a choice among accumulators, so it needs no run; a sum is run on a window that has that sum.
"""

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Window
from bnnedge.errors import LoweringError
from bnnedge.lowering.execute import Runner, Tensors
from bnnedge.lowering.indexed import Array, GraphNode, IndexedModel
from bnnedge.lowering.layers import Op, Step
from bnnedge.lowering.layout import Layout, follow
from bnnedge.lowering.rounding import Grid
from bnnedge.lowering.structure import Kind, Region, Structure
from bnnedge.lowering.vocabulary import RESHAPING, called
from bnnedge.lowering.windows import window_of

Floats = NDArray[np.float32]


class RegionProbe:
    """The nodes behind one point, run on chosen integers.

    Args:
        model: the graph.
        region: the nodes.
        start: how what the point makes is arranged.
        steps: what the graph does with the integers first.
        signs: see `Runner`.

    Attributes:
        layouts: of every tensor of the region, by name.
        windows: of the region's pools.
        steps: see above.

    Raises:
        LoweringError: a node of the region does not act on each channel by itself.
    """

    def __init__(
        self,
        model: IndexedModel,
        region: Region,
        start: Layout,
        steps: tuple[Step, ...],
        signs: Mapping[str, float],
    ) -> None:
        self._model, self._region, self.steps = model, region, steps
        self.windows = [window_of(model, pool) for pool in region.pools]
        self.layouts = layouts_of(model, region, start)
        constants: dict[str, Array] = {}
        for node in itertools.chain.from_iterable(region.sections):
            constants |= self._cut(node)
        self._constants = constants
        self._runner = Runner(model, signs, constants)
        self._pool_runners = [Runner(model) for _ in region.pools]

    @property
    def sums(self) -> bool:
        """Whether the accumulators are summed up over windows, scaled and shifted at most."""
        return self._region.sums

    def roundings(self, limit: int) -> list[str]:
        """Where the original's own sums round, as `Lift` calls it; needs ±1 weights.

        Args:
            limit: the layer's largest accumulator, not summed up over the window.

        Raises:
            LoweringError: see `_affine`.
        """
        scale, shift = self._affine() if self.sums else (np.ones(1), np.zeros(1))
        found: list[str] = []
        grid = Grid.integers(limit, next(iter(self.layouts.values())).channels)
        lost = ""
        steps: list[Step | None] = [*self.steps, *map(self._step, self._region.sections[0])]
        for step in itertools.takewhile(lambda step: step is not None, steps):
            assert step is not None
            value = step.value.astype(np.float64)
            grid = grid.scaled(value) if step.op is Op.MUL else grid.shifted(value)
            if not grid.is_exact:
                lost = lost or {Op.MUL: "scale", Op.ADD: "shift"}[step.op]
                found += ["bias"] if step.is_bias else []
        if not self.sums:
            return found
        pool = self._region.pools[0]
        if pool.op_type == "Conv":
            grid = grid.scaled(self._model.floats(pool, 1)[:, 0, 0, 0].astype(np.float64))
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
                tensor = self._region.pools[0].output[0]
            elif index:
                pool = self._region.pools[index - 1]
                values = np.asarray(made[pool.input[0]].reshape(len(values), -1), np.float32)
                tensor = pool.output[0]
                pooled.append(values)
            elif not index:
                for step in self.steps:
                    values = step.run(values)
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
        nodes = self._region.sections[0]
        steps = [*((None, step) for step in self.steps), *((n, self._step(n)) for n in nodes)]
        for node, step in steps:
            if step is not None:
                value = step.value.astype(np.float64)
                is_factor = step.op is Op.MUL
                factor, added = (value, np.zeros(1)) if is_factor else (np.ones(1), value)
                scale, shift = scale * factor, shift * factor + added
            elif node is not None:
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

    def _step(self, node: GraphNode) -> Step | None:
        """A Mul or Add by a constant, (C,) or one; None for another node."""
        if node.op_type == "Identity":
            return Step(op=Op.ADD, value=np.zeros(1, np.float32), what="identity")
        constants = [self._constants[name] for name in node.input if name in self._constants]
        if node.op_type not in ("Mul", "Add") or len(constants) != 1:
            return None
        value = np.asarray(constants[0].reshape(-1), np.float32)
        return Step(op=Op(node.op_type), value=value, what="")

    def _one_pixel(self, tensor: str, section: tuple[GraphNode, ...]) -> list[int]:
        layout = self.layouts[tensor]
        if not section and not self._region.pools:
            return [layout.channels, *([1] * (layout.at.ndim - 2))]
        return [len(indices) for indices in layout.kept(None)[1:]]

    def _cut(self, node: GraphNode) -> dict[str, Array]:
        """The constants of an elementwise node for one pixel, by name."""
        if node.op_type in RESHAPING:
            return {}
        layout = self.layouts[node.output[0]]
        cut = {}
        for name in node.input:
            constant = self._model.constants.get(name)
            if constant is not None:
                cut[name] = layout.along(node, constant, _axis(node, name, layout))
        return cut


def layouts_of(model: IndexedModel, region: Region, start: Layout) -> dict[str, Layout]:
    """How all tensors of a region are arranged, by name; `start` is what it begins with.

    Raises:
        LoweringError: a pool does not see a feature map, or a node joins what differs.
    """
    runner = Runner(model)
    layouts: dict[str, Layout] = {}
    for barrier, section in zip((region.start, *region.pools), region.sections, strict=True):
        tensor, layout = barrier.output[0], start
        if barrier is not region.start:
            if not layouts[barrier.input[0]].is_map:
                layouts[barrier.input[0]].refuse(barrier)
            layout = Layout.behind(barrier, model.shape(tensor))
        layouts |= follow(layout, runner, section, tensor)
    return layouts


def start_layout(model: IndexedModel, structure: Structure, region: Region) -> Layout:
    """How the point that a region begins behind arranges what it makes."""
    tensor = region.start.output[0]
    if region.kind is Kind.QUANTISER:
        before = structure.into(region.start)
        return layouts_of(model, before, start_layout(model, structure, before))[before.tensor]
    return Layout.behind(region.start, model.shape(tensor))


def input_layout(model: IndexedModel, structure: Structure) -> Layout:
    """How the first layer's data are arranged."""
    if structure.input_pools:
        last = structure.input_pools[-1]
        return Layout.behind(last, model.shape(last.output[0]))
    return Layout.behind(structure.layers[0], model.shape(structure.entry(0)))


def one_window(runner: Runner, pool: GraphNode, window: Window, sums: Floats) -> Floats:
    """What a sum or average `pool` gives (rows, C) for windows with these sums (rows, C).

    That is for one value and zeros.
    """
    data = np.zeros((*sums.shape, *window.span), np.float32)
    data[:, :, 0, 0] = sums
    alone = pool.without("pads", "auto_pad", "ceil_mode")
    made = runner.run([alone], {pool.input[0]: data})
    return np.asarray(made[pool.output[0]].reshape(sums.shape), np.float32)


def _axis(node: GraphNode, name: str, layout: Layout) -> int | None:
    """The axis along which a constant is given, where it is not broadcast."""
    if node.op_type == "BatchNormalization":
        return 1
    if node.op_type == "MultiThreshold":
        return layout.at.ndim - 1 if node.text("data_layout", "").endswith("C") else 1
    return None
