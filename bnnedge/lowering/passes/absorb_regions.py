"""What lies between two points → [sums,] Mul by ±1, an integer MultiThreshold, max-pools of bits.

Replaces FINN's BatchNormToAffine, Absorb{Add,Mul}IntoMultiThreshold, ConvertSignToThres and
RoundAndClipThresholds, which fold in float32 and then round the threshold up: at an accumulator
where the original's own rounding decides, the folded threshold is off by one.

A maximum of g(a), with g monotone, is g of the largest or of the smallest accumulator, so the bit
behind a max-pool is the OR or the AND of the bits of its window: the AND where g falls and the bit
rises with the accumulator, or the other way round.

Joins and pools of integers come to work on integers, too: each operand is an integer times its
grid, a power of two, and their sum one of integers times the finer grid.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from bnnedge.dataflow import Window
from bnnedge.errors import LoweringError
from bnnedge.lowering.config import SignZero
from bnnedge.lowering.integers import Codes, run_all
from bnnedge.lowering.layout import Layout
from bnnedge.lowering.notes import Lift, Notes
from bnnedge.lowering.passes.edit import Inserter, index_of, insert_sum, remove_dead
from bnnedge.lowering.passes.integer_points import IntegerPoint, integer_type, scale_back
from bnnedge.lowering.passes.lift_levels import lift_levels, lift_scale
from bnnedge.lowering.regions import RegionProbe
from bnnedge.lowering.structure import Kind, Region, Structure, find_structure
from bnnedge.lowering.thresholds import (
    Reach,
    Survey,
    chunks,
    reach_of,
    survey,
    threshold_of,
    two_levels,
)
from bnnedge.lowering.vocabulary import MAX_POOLS, SUMS, called
from bnnedge.lowering.windows import pool_attributes


class AbsorbRegions(Transformation):  # type: ignore[misc]
    """Needs ±1 weights and an annotated input of the first layer.

    Raises LoweringError where a region is no binariser, not monotone, or gives a Sign an exact 0;
    and where what a join or a pool takes is no integer times a grid.
    """

    def __init__(self, sign_zero: SignZero, notes: Notes) -> None:
        super().__init__()
        self._sign_zero = sign_zero
        self._notes = notes
        self._grids: dict[tuple[str, int], float] = {}  # by reader and operand
        self._finished: set[str] = set()  # joins and pools that work on integers

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        structure = find_structure(model)
        while pending := [region for region in structure.regions if self._is_pending(region)]:
            first = pending[0]
            if first.kind in (Kind.JOIN, Kind.POOL) and first.start.name not in self._finished:
                IntegerPoint(model, first.start, self._operands(first.start)).finish()
                self._finished.add(first.start.name)
            else:
                for region in pending:
                    if region.start is first.start:
                        self._absorb(model, structure, region)
                remove_dead(model)
            structure = find_structure(model)
        self._note_roundings(structure.tail, *probe_of(model, structure.tail, {}, table=True))
        return model, False

    def _is_pending(self, region: Region) -> bool:
        reader = region.reader
        return reader is not None and (reader.name, region.operand) not in self._grids

    def _operands(self, start: Any) -> list[float]:
        return [grid for (name, _), grid in sorted(self._grids.items()) if name == start.name]

    def _note_roundings(self, region: Region, probe: RegionProbe, reach: Reach) -> None:
        layer = region.start
        limit = reach.high // (probe.windows[0].taps if probe.sums else 1)
        whats = probe.roundings(limit, self._notes.biases.get(layer.name))
        lifts = [Lift(layer=layer.name, what=what) for what in whats]
        self._notes.lifted += [lift for lift in lifts if lift not in self._notes.lifted]

    def _absorb(self, model: ModelWrapper, structure: Structure, region: Region) -> None:
        nodes, reader = tuple(region), region.reader
        assert reader is not None
        if not nodes and region.kind is Kind.LAYER and region.reader_kind is Kind.LAYER:
            raise LoweringError(
                f"{called(region.start)}: no binariser before {called(reader)}",
                remedy="put one binariser (BipolarQuant, MultiThreshold, Sign) between them",
            )
        where = called(nodes[-1] if nodes else region.start)
        if where != called(reader):
            where += f", before {called(reader)}"
        probe, reach = probe_of(model, region, {})
        if region.kind is Kind.LAYER:
            self._note_roundings(region, probe, reach)
        if region.reader_kind is Kind.LAYER or _takes_bits(reader):
            found = survey(probe, nodes, region.start.output[0], region.tensor, reach)
            unclear = found.codes is None and region.reader_kind is Kind.LAYER
            if unclear and self._choose_signs(nodes, found, reach):
                probe, _ = probe_of(model, region, self._notes.signs)
                found = survey(probe, nodes, region.start.output[0], region.tensor, reach)
            bits = len(found.levels) <= 2 and (
                region.reader_kind is Kind.LAYER or found.levels[0] == -found.levels[-1] != 0
            )
            if bits or (region.reader_kind is Kind.LAYER and not region.has_integers):
                self._insert_bits(model, structure, region, probe, reach, found, where)
                return
        self._insert_integers(model, structure, region, probe, reach, where)

    def _insert_bits(
        self,
        model: ModelWrapper,
        structure: Structure,
        region: Region,
        probe: RegionProbe,
        reach: Reach,
        found: Survey,
        where: str,
    ) -> None:
        low, high = two_levels(found.levels, where)
        assert found.codes is not None
        bits = found.codes & (found.levels[-1] == np.float32(high))
        threshold, invert = threshold_of(bits, reach, where)
        if found.uneven is not None:
            pool = [pool for pool in region.pools if pool.op_type in MAX_POOLS][found.uneven[0]]
            raise LoweringError(
                f"{called(pool)}: what it pools is not monotone in the accumulator in channel"
                f" {found.uneven[1]}",
                remedy="a maximum of it is no maximum or minimum of accumulators",
            )
        reader, windows = region.reader, probe.windows
        assert reader is not None
        if region.reader_kind is Kind.LAYER:
            pad = structure.pads[structure.layers.index(reader)]
            lift_levels(model, pad, reader, low, high, self._notes)
            _permute_weights(model, reader, probe.layouts[region.tensor])
        behind = _Behind(model, region, invert)
        if probe.sums:
            behind.add_sum(windows[0])
        behind.add_threshold(np.where(invert, reach.step - threshold, threshold)[:, None], None)
        pools = windows[1:] if probe.sums else windows
        for window, conjunction in zip(pools, found.falling ^ invert, strict=True):
            behind.add_max_pool(window, conjunction)
        behind.connect(DataType["BIPOLAR"])
        self._grids[reader.name, region.operand] = high

    def _insert_integers(
        self,
        model: ModelWrapper,
        structure: Structure,
        region: Region,
        probe: RegionProbe,
        reach: Reach,
        where: str,
    ) -> None:
        for pool in region.pools:
            if pool.op_type in MAX_POOLS:
                raise LoweringError(
                    f"{called(pool)}: pools what is no integer, and {called(region.reader)} wants"
                    " integers of it",
                    remedy="quantise in front of the pool",
                )
        parts = chunks(probe, region.start.output[0], reach.values)
        codes = Codes.of(run_all(parts, region.tensor), where)
        reader, grid = region.reader, codes.grid
        assert reader is not None
        unchanged = None if region.reader_kind is Kind.QUANTISER else codes.value_of_one(reach)
        invert = np.zeros(codes.codes.shape[1], np.bool_)
        rows, low = np.zeros((0, 0), np.int64), 0
        if unchanged is None:
            rows, invert, low = codes.steps(reach, where)
            high = low + rows.shape[1]
        else:
            grid, low, high = unchanged, reach.low, reach.high
        if region.reader_kind is Kind.LAYER:
            pad = structure.pads[structure.layers.index(reader)]
            integers = range(low, high + 1)
            lift_scale(model, pad, reader, np.float32(grid), integers, self._notes)
            _permute_weights(model, reader, probe.layouts[region.tensor])
        behind = _Behind(model, region, invert)
        if probe.sums:
            behind.add_sum(probe.windows[0])
        if unchanged is None:
            rows = np.where(invert[:, None], reach.step - rows[:, ::-1], rows)
            name = behind.add_threshold(rows, low)
            self._grids[name, 0] = 1.0  # a quantiser from now on, and done
        kind = integer_type(low, high)
        if region.reader_kind is Kind.QUANTISER:
            behind.replace(reader, kind, grid)
        else:
            behind.connect(kind)
        self._grids[reader.name, region.operand] = grid

    def _choose_signs(self, nodes: tuple[Any, ...], found: Survey, reach: Reach) -> bool:
        """Note what an exact 0 at the Signs of `nodes` becomes; False if none is reachable."""
        for node in nodes:
            if node.name not in found.zeros:
                continue
            count, channel, row = found.zeros[node.name]
            text = (
                f"{called(node)}: an exact 0 is reachable in {count} channels"
                f" (channel {channel} at accumulator {reach.values[row]}), where ONNX's Sign"
                " gives 0"
            )
            if self._sign_zero is SignZero.REFUSE:
                raise LoweringError(text, remedy="choose --sign-zero plus or --sign-zero minus")
            self._notes.signs[node.name] = -1.0 if self._sign_zero is SignZero.MINUS else 1.0
            self._notes.remarks.append(f"{text}; it counts as {self._sign_zero.value} 1")
        return bool(found.zeros)


def probe_of(
    model: ModelWrapper, region: Region, signs: Mapping[str, float], table: bool = False
) -> tuple[RegionProbe, Reach]:
    """What a region does, and the integers or sums that it can begin with.

    Args:
        table: see `reach_of`.

    Raises:
        LoweringError: a sum is not right behind the layer.
    """
    probe = RegionProbe(model, signs, region)
    sums = [pool for pool in region.pools if pool.op_type not in MAX_POOLS]
    if sums and (sums[0] is not region.pools[0] or len(sums) > 1):
        raise LoweringError(
            f"{called(sums[-1])}: wanted one sum or average, right behind {called(region.start)}",
            remedy="put other pools behind it",
        )
    window = probe.windows[0] if sums else None
    return probe, reach_of(model, region, window, table)


def _takes_bits(reader: Any) -> bool:
    """A sum is the one join that can have an operand of ±1."""
    return reader.op_type in SUMS


def _permute_weights(model: ModelWrapper, following: Any, layout: Layout) -> None:
    """Let a fully connected layer take a feature map flattened as (C, H, W), whatever it was."""
    if following.op_type == "Conv":
        if not layout.is_map:
            layout.refuse(following)
        return
    places, channels = layout.at.reshape(-1), layout.channels
    pixels = len(places) // channels
    planes = places % channels * pixels + places // channels  # where (C, H, W) has each place
    if not np.array_equal(planes, np.arange(len(planes))):
        weights = model.get_initializer(following.input[1])
        permuted = np.empty_like(weights)
        permuted[planes] = weights
        model.set_initializer(following.input[1], permuted)


class _Behind:
    """Inserts integer nodes behind the point that a region begins with.

    Args:
        model: the graph.
        region: what they replace.
        invert: where the first threshold is of the negated integer.
    """

    def __init__(self, model: ModelWrapper, region: Region, invert: NDArray[np.bool_]) -> None:
        self._model, self._region, self._invert = model, region, invert
        assert region.reader is not None
        self._start, self._reader = region.start, region.reader
        self._tensor = str(region.start.output[0])
        self._inserter = Inserter(model, index_of(model, region.start) + 1)
        several = len(model.find_consumers(self._tensor) or []) > 1
        self._name = f"{self._start.name}_{self._reader.name}" if several else self._start.name
        self._pools = 0

    @property
    def _shape(self) -> list[int]:
        return list(self._model.get_tensor_shape(self._tensor))

    def _multiply(self, flips: NDArray[np.bool_], name: str) -> None:
        if not flips.any():
            return
        out = self._inserter.tensor(self._shape)
        shape = (-1, 1, 1) if len(self._shape) == 4 else (-1,)
        signs = self._inserter.constant(np.where(flips, -1, 1).astype(np.float32).reshape(shape))
        self._model.set_tensor_datatype(signs, DataType["BIPOLAR"])
        self._inserter.node("Mul", [self._tensor, signs], out, name)
        self._tensor = out

    def add_sum(self, window: Window) -> None:
        """Sums over a window."""
        self._tensor = insert_sum(
            self._inserter, self._model, self._tensor, window, f"{self._name}_sum"
        )

    def add_threshold(self, rows: NDArray[np.int64], low: int | None) -> str:
        """Thresholds (C, L) on integers, negated ones where `invert`; bits where `low` is None."""
        self._multiply(self._invert, f"{self._name}_flip")
        made = self._inserter.tensor(self._shape)
        layout = "NCHW" if len(self._shape) == 4 else ""
        name = f"{self._name}_threshold"
        if self._region.reader_kind is Kind.QUANTISER:
            name = str(self._reader.name)
        if low is None:
            self._inserter.bipolar_threshold(self._tensor, made, rows, name, layout)
            self._model.set_tensor_datatype(made, DataType["BIPOLAR"])
        else:
            kind = integer_type(low, low + rows.shape[1])
            self._inserter.integer_threshold(self._tensor, made, rows, name, kind, low, layout)
            self._model.set_tensor_datatype(made, kind)
        self._tensor = made
        return name

    def add_max_pool(self, window: Window, conjunction: NDArray[np.bool_]) -> None:
        """A pool of bits, OR or AND."""
        name = f"{self._name}_pool_{self._pools}"
        self._pools += 1
        self._multiply(conjunction, f"{name}_flip")
        shape = self._shape
        pooled = self._inserter.tensor([1, shape[1], *window.output_size(shape[2], shape[3])])
        attributes = pool_attributes(window)
        self._inserter.node("MaxPool", [self._tensor], pooled, name, **attributes)
        self._tensor = pooled
        self._multiply(conjunction, f"{name}_unflip")
        self._model.set_tensor_datatype(self._tensor, DataType["BIPOLAR"])

    def connect(self, kind: DataType) -> None:
        """Let the reader take what was made, in the shape that it took before."""
        after = list(self._model.get_tensor_shape(self._region.tensor))
        if self._shape != after:
            shaped = self._inserter.tensor(after)
            target = self._inserter.constant(np.array(after, np.int64))
            name = f"{self._name}_reshape"
            self._inserter.node("Reshape", [self._tensor, target], shaped, name)
            self._tensor = shaped
        self._model.set_tensor_datatype(self._tensor, kind)
        entry = self._model.find_producer(self._reader.input[0])
        padded = self._region.reader_kind is Kind.LAYER and entry is not None
        reader = entry if padded and entry.op_type == "Pad" else self._reader
        reader.input[self._region.operand] = self._tensor

    def replace(self, quantiser: Any, kind: DataType, grid: float) -> None:
        """Let what was made, times its grid, take the place of what a quantiser makes."""
        old = str(quantiser.output[0])
        self._model.graph.node.remove(quantiser)
        scale_back(self._inserter, self._tensor, old, grid, f"{self._name}_grid")
        self._model.set_tensor_datatype(self._tensor, kind)
