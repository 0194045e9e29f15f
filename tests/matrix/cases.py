"""For every node one small case: the node, its inputs, one result by hand, what FINN has of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import (
    BIPOLAR,
    INPUT,
    Add,
    ArgMax,
    Concat,
    Crop,
    Dataflow,
    ElementType,
    Flatten,
    IntegerMvu,
    LutLayer,
    MaxPool,
    MultiThreshold,
    Node,
    PadChannels,
    ScoreTable,
    SlidingWindow,
    Stream,
    SumPool,
    Threshold,
    Window,
    XnorMvu,
)
from tests.networks import random_mlp, with_class_scales
from tests.networks.chains import ChainMaker, bit_encoding, pixel_encoding

INT3 = ElementType(width_bits=3, signed=True)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One node of a kind.

    Attributes:
        node: the node.
        shape: of one image of each of its inputs.
        element: of its inputs.
        example: an image for each input, and the result by hand.
        finn: the test of `tests/finn_backend` that runs it in FINN, or why there is none.
    """

    node: Node
    shape: tuple[int, ...]
    element: ElementType = INT3
    example: tuple[list[Any], list[Any]]
    finn: str

    @property
    def befores(self) -> list[Stream]:
        """Types of the inputs."""
        return [Stream(shape=self.shape, element=self.element)] * self.node.arity

    def inputs(self, count: int, *, seed: int = 0) -> list[NDArray[Any]]:
        """Images (count, *shape) for each input, the ends of the type among them."""
        rng = np.random.default_rng(seed)
        bits = self.element.bipolar
        low, high = (0, 1) if bits else (self.element.smallest, self.element.largest)
        shape = (self.node.arity, count, *self.shape)
        values = rng.integers(low, high, shape, endpoint=True)
        values = np.where(rng.random(shape) < 0.2, rng.choice([low, high], shape), values)
        return list(values.astype(np.uint8 if bits else np.int64))

    @property
    def network(self) -> Dataflow:
        """A whole network with such a node; where there are two inputs, both are the network's."""
        if len(self.shape) == 1:
            return with_class_scales(random_mlp((12, 8, 4)))
        height, width, channels = self.shape
        shape = (height, width, channels)
        bits = self.element.bipolar
        maker = ChainMaker(0, bit_encoding(shape) if bits else pixel_encoding(shape, self.element))
        maker.add(self.node, *[INPUT] * self.node.arity)
        if len(maker.stream.shape) > 1:
            maker.flatten()
        maker.matrix(3, thresholded=False)
        return maker.finish(classes=False)


CASES: Mapping[type[Node], Case] = {
    type(case.node): case
    for case in (
        Case(
            node=XnorMvu(
                name="node",
                weights=np.array([[1, 0, 1, 0], [0, 0, 1, 1]], np.uint8),
                thresholds=np.array([2, 3]),
                invert=np.array([False, True]),
            ),
            shape=(1, 2, 4),
            element=BIPOLAR,
            example=([[[[1, 0, 1, 1], [0, 0, 0, 1]]]], [[[1, 0], [0, 0]]]),
            finn="test_xnor_mvau.py::test_finns_own_grid",
        ),
        Case(
            node=IntegerMvu(
                name="node",
                weights=np.array([[1, 0, 1, 1], [0, 1, 1, 0]], np.uint8),
                thresholds=np.array([0, -3]),
                invert=np.array([False, True]),
            ),
            shape=(1, 2, 4),
            example=([[[[3, -4, 1, 0], [0, 1, -1, 2]]]], [[[1, 1], [1, 0]]]),
            finn="test_xnor_mvau.py::test_finns_own_grid",
        ),
        Case(
            node=LutLayer(
                name="node",
                wiring=np.array([[0, 3], [1, 1], [2, 0]]),
                tables=np.array([[0, 1, 1, 0], [1, 0, 1, 0], [0, 0, 1, 1]]),
            ),
            shape=(1, 2, 4),
            element=BIPOLAR,
            example=([[[[1, 0, 1, 1], [0, 1, 0, 1]]]], [[[0, 1, 1], [1, 0, 0]]]),
            finn="there is none: FINN has no such op",
        ),
        Case(
            node=SlidingWindow(
                name="node", window=Window(kernel=(2, 1), padding=(1, 0, 0, 0)), fill=1, groups=2
            ),
            shape=(2, 1, 4),
            element=BIPOLAR,
            example=(
                [[[[0, 1, 1, 0]], [[1, 0, 1, 1]]]],
                [[[1, 1, 0, 1, 1, 1, 1, 0]], [[0, 1, 1, 0, 1, 0, 1, 1]]],
            ),
            finn="there is none: FINN's own ConvolutionInputGenerator_rtl takes any integers",
        ),
        Case(
            node=MaxPool(
                name="node",
                window=Window(kernel=(1, 2), stride=(1, 2)),
                conjunction=np.array([False, True]),
            ),
            shape=(1, 4, 2),
            element=BIPOLAR,
            example=([[[[0, 1], [1, 1], [0, 0], [0, 1]]]], [[[1, 1], [0, 0]]]),
            finn="test_streams.py::test_pool",
        ),
        Case(
            node=SumPool(name="node", window=Window(kernel=(2, 2))),
            shape=(2, 3, 2),
            example=(
                [[[[1, -1], [2, 0], [3, -4]], [[0, 1], [-1, 2], [-2, 3]]]],
                [[[2, 2], [2, 1]]],
            ),
            finn="there is none: of FINN's Pool only the maximum has RTL, sums are left to its HLS",
        ),
        Case(
            node=Threshold(
                name="node", thresholds=np.array([0, 2]), invert=np.array([False, True])
            ),
            shape=(1, 2, 2),
            example=([[[[-1, 1], [0, 3]]]], [[[0, 1], [1, 0]]]),
            finn="there is none: FINN's own Thresholding_rtl takes any integers",
        ),
        Case(
            node=MultiThreshold(
                name="node",
                thresholds=np.array([[-1, 1, 2], [0, 0, 3]]),
                invert=np.array([False, True]),
                low=-1,
            ),
            shape=(1, 2, 2),
            example=([[[[1, 0], [-4, 3]]]], [[[1, 0], [-1, -1]]]),
            finn="there is none: FINN's own Thresholding_rtl takes any integers",
        ),
        Case(
            node=Add(name="node", factors=(2, -1)),
            shape=(1, 2, 2),
            example=([[[[1, -2], [0, 3]]], [[[3, 1], [-4, 2]]]], [[[-1, -5], [4, 4]]]),
            finn="test_streams.py::test_add",
        ),
        Case(
            node=Concat(name="node"),
            shape=(1, 2, 2),
            example=(
                [[[[1, -2], [0, 3]]], [[[3, 1], [-4, 2]]]],
                [[[1, -2, 3, 1], [0, 3, -4, 2]]],
            ),
            finn="test_streams.py::test_concat",
        ),
        Case(
            node=PadChannels(name="node", before=2, after=4),
            shape=(1, 1, 4),
            example=([[[[1, -2, 0, 3]]]], [[[0, 0, 1, -2, 0, 3, 0, 0, 0, 0]]]),
            finn="there is none: FINN's padding is of rows and columns",
        ),
        Case(
            node=Crop(name="node", top=1, left=1),
            shape=(2, 3, 2),
            example=(
                [[[[1, -1], [2, 0], [3, -4]], [[0, 1], [-1, 2], [-2, 3]]]],
                [[[-1, 2], [-2, 3]]],
            ),
            finn="there is none: FINN has no streaming node that drops rows",
        ),
        Case(
            node=Flatten(name="node"),
            shape=(1, 2, 2),
            example=([[[[1, -2], [0, 3]]]], [1, -2, 0, 3]),
            finn="test_passes.py::test_flattening_goes_into_the_weights_of_its_reader_only",
        ),
        Case(
            node=ScoreTable(
                name="node",
                scores=np.stack([np.arange(9) * 3 - 12, np.arange(9)[::-1]]),
                low=-4,
                step=1,
            ),
            shape=(2,),
            example=([[3, -4]], [9, 8]),
            finn="there is none: FINN's LabelSelect compares accumulators",
        ),
        Case(
            node=ArgMax(name="node"),
            shape=(4,),
            example=([[1, 3, 3, 0]], [1]),
            finn="test_streams.py::test_label_select",
        ),
    )
}
