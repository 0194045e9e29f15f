"""Everything between two layers → [sums,] Mul by ±1, one integer MultiThreshold, max-pools of bits.

Replaces FINN's BatchNormToAffine, Absorb{Add,Mul}IntoMultiThreshold, ConvertSignToThres and
RoundAndClipThresholds, which fold in float32 and then round the threshold up: at an accumulator
where the original's own rounding decides, the folded threshold is off by one.

A maximum of g(a), with g monotone, is g of the largest or of the smallest accumulator, so the bit
behind a max-pool is the OR or the AND of the bits of its window: the AND where g falls and the bit
rises with the accumulator, or the other way round.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from bnnedge.dataflow import Window
from bnnedge.errors import LoweringError
from bnnedge.lowering.chain import MAX_POOLS, Chain, called, find_chain
from bnnedge.lowering.config import SignZero
from bnnedge.lowering.layout import Layout
from bnnedge.lowering.notes import Lift, Notes
from bnnedge.lowering.passes.edit import (
    Inserter,
    index_of,
    insert_sum,
    per_channel,
    remove,
)
from bnnedge.lowering.passes.lift_levels import lift_levels
from bnnedge.lowering.regions import RegionProbe
from bnnedge.lowering.thresholds import Reach, Survey, reach_of, survey, threshold_of, two_levels
from bnnedge.lowering.windows import window_attributes


class AbsorbRegions(Transformation):  # type: ignore[misc]
    """Needs ±1 weights and an annotated input of the first layer.

    Raises LoweringError where a region is no binariser, not monotone, or gives a Sign an exact 0.
    """

    def __init__(self, sign_zero: SignZero, notes: Notes) -> None:
        super().__init__()
        self._sign_zero = sign_zero
        self._notes = notes

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        last = len(find_chain(model).layers) - 1
        for index in range(last):
            self._absorb(model, index)
        chain = find_chain(model)
        self._note_roundings(chain.layers[last], *probe_of(model, chain, last, {}, table=True))
        return model, False

    def _note_roundings(self, layer: Any, probe: RegionProbe, reach: Reach) -> None:
        limit = reach.limit // (probe.windows[0].taps if probe.sums else 1)
        whats = probe.roundings(limit, self._notes.biases.get(layer.name))
        self._notes.lifted += [Lift(layer=layer.name, what=what) for what in whats]

    def _absorb(self, model: ModelWrapper, index: int) -> None:
        chain = find_chain(model)
        layer, following = chain.layers[index], chain.layers[index + 1]
        region, result = chain.regions[index], chain.entry(index + 1)
        nodes = tuple(region)
        if not nodes:
            raise LoweringError(f"{called(layer)}: no binariser before {called(following)}")
        where = f"{called(nodes[-1])}, before {called(following)}"
        probe, reach = probe_of(model, chain, index, {})
        self._note_roundings(layer, probe, reach)
        found = survey(probe, nodes, layer.output[0], result, reach)
        if found.codes is None and self._choose_signs(nodes, found, reach):
            probe, _ = probe_of(model, chain, index, self._notes.signs)
            found = survey(probe, nodes, layer.output[0], result, reach)
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
        lift_levels(model, chain.pads[index + 1], following, low, high, self._notes)
        _permute_weights(model, following, probe.layouts[result])
        windows = probe.windows
        _replace(
            model,
            chain,
            index,
            bits=result,
            sums=windows[0] if probe.sums else None,
            pools=list(
                zip(windows[1:] if probe.sums else windows, found.falling ^ invert, strict=True)
            ),
            rows=np.where(invert, reach.step - threshold, threshold),
            invert=invert,
        )

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
    model: ModelWrapper, chain: Chain, index: int, signs: dict[str, float], table: bool = False
) -> tuple[RegionProbe, Reach]:
    """What lies behind a layer, and the accumulators or sums that it can have.

    Args:
        table: see `reach_of`.

    Raises:
        LoweringError: a sum is not right behind the layer.
    """
    layer, region = chain.layers[index], chain.regions[index]
    probe = RegionProbe(model, signs, layer, region)
    sums = [pool for pool in region.pools if pool.op_type not in MAX_POOLS]
    if sums and (sums[0] is not region.pools[0] or len(sums) > 1):
        raise LoweringError(
            f"{called(sums[-1])}: wanted one sum or average, right behind {called(layer)}",
            remedy="put other pools behind it",
        )
    window = probe.windows[0] if sums else None
    return probe, reach_of(model, chain, index, window, table)


def _permute_weights(model: ModelWrapper, following: Any, layout: Layout) -> None:
    """Let a fully connected layer take a feature map flattened as (C, H, W), whatever it was."""
    if following.op_type == "Conv":
        if not layout.is_map:
            raise LoweringError(
                f"{called(following)}: its input's channels are not those of the layer before it",
                remedy="only a transpose from and to (N, H, W, C) may stand between convolutions",
            )
        return
    places, channels = layout.at.reshape(-1), layout.channels
    pixels = len(places) // channels
    planes = places % channels * pixels + places // channels  # where (C, H, W) has each place
    if not np.array_equal(planes, np.arange(len(planes))):
        weights = model.get_initializer(following.input[1])
        permuted = np.empty_like(weights)
        permuted[planes] = weights
        model.set_initializer(following.input[1], permuted)


def _replace(
    model: ModelWrapper,
    chain: Chain,
    index: int,
    *,
    bits: str,
    sums: Window | None,
    pools: list[tuple[Window, NDArray[np.bool_]]],
    rows: NDArray[np.int64],
    invert: NDArray[np.bool_],
) -> None:
    """Put integer nodes in the place of region `index`.

    Args:
        bits: the tensor that the region made.
        sums: the window of sums, right behind the layer.
        pools: windows of max-pools, and where to AND.
        rows: thresholds, of the negated accumulator where `invert` is set.
        invert: where to negate.
    """
    layer, following, region = chain.layers[index], chain.layers[index + 1], chain.regions[index]
    entry = model.find_producer(following.input[0])
    reader = entry if entry is not None and entry.op_type == "Pad" else following
    after = list(model.get_tensor_shape(bits))
    remove(model, tuple(region))
    inserter = Inserter(model, index_of(model, layer) + 1)
    tensor = str(layer.output[0])

    def multiply(tensor: str, flips: NDArray[np.bool_], name: str) -> str:
        if not flips.any():
            return tensor
        out = inserter.tensor(list(model.get_tensor_shape(tensor)))
        signs = inserter.constant(per_channel(layer, np.where(flips, -1, 1)))
        model.set_tensor_datatype(signs, DataType["BIPOLAR"])
        inserter.node("Mul", [tensor, signs], out, name)
        return out

    if sums is not None:
        tensor = insert_sum(inserter, model, tensor, sums, f"{layer.name}_sum")
    tensor = multiply(tensor, invert, f"{layer.name}_flip")
    made = inserter.tensor(list(model.get_tensor_shape(tensor)))
    is_map = layer.op_type == "Conv"
    inserter.bipolar_threshold(
        tensor, made, rows, f"{layer.name}_threshold", "NCHW" if is_map else ""
    )
    model.set_tensor_datatype(made, DataType["BIPOLAR"])
    for number, (window, conjunction) in enumerate(pools):
        name = f"{layer.name}_pool_{number}"
        made = multiply(made, conjunction, f"{name}_flip")
        shape = list(model.get_tensor_shape(made))
        pooled = inserter.tensor([1, shape[1], *window.output_size(shape[2], shape[3])])
        inserter.node("MaxPool", [made], pooled, name, **window_attributes(window))
        made = multiply(pooled, conjunction, f"{name}_unflip")
        model.set_tensor_datatype(made, DataType["BIPOLAR"])
    if list(model.get_tensor_shape(made)) != after:
        shaped = inserter.tensor(after)
        target = inserter.constant(np.array(after, np.int64))
        inserter.node("Reshape", [made, target], shaped, f"{layer.name}_reshape")
        made = shaped
    model.set_tensor_datatype(made, DataType["BIPOLAR"])
    reader.input[0] = made
