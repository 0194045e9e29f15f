"""Where a tensor holds the elements of a feature map, followed through reshapes and transposes.

A Dataflow streams pixel by pixel, all channels of a pixel together: element `pixel · C + channel`.
ONNX has (N, C, H, W), and exporters flatten that, or transpose it first.
"""

from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import LoweringError
from bnnedge.lowering.execute import Runner
from bnnedge.lowering.indexed import Array, GraphNode
from bnnedge.lowering.vocabulary import LINEAR, RESHAPING, called

VECTORS = LINEAR - {"Conv"}
Kept = tuple[NDArray[np.int64], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """The place of each element of one tensor in its stream.

    Attributes:
        at: int64, of the tensor's shape with batch 1.
        channels: C.
        moved_by: the last transpose before it, else the first reshape; "" where there is none.
    """

    at: NDArray[np.int64]
    channels: int
    moved_by: str = ""

    @classmethod
    def behind(cls, node: GraphNode, shape: list[int]) -> "Layout":
        """What a layer or pool gives: (1, C, H, W), or a vector, (1, …, C)."""
        count = int(np.prod(shape))
        if node.op_type in VECTORS or len(shape) != 4:
            return cls(at=np.arange(count).reshape(shape), channels=count)
        return cls(at=_map(shape), channels=shape[1])

    @property
    def is_map(self) -> bool:
        """Whether the tensor is (1, C, H, W)."""
        shape = list(self.at.shape)
        return (
            len(shape) == 4 and shape[1] == self.channels and np.array_equal(self.at, _map(shape))
        )

    def after(self, runner: Runner, node: GraphNode) -> "Layout":
        """The layout behind a reshaping node."""
        made = runner.run([node], {node.input[0]: self.at.astype(np.float32)})
        moved_by = called(node) if node.op_type == "Transpose" or not self.moved_by else ""
        return Layout(
            at=made[node.output[0]].astype(np.int64),
            channels=self.channels,
            moved_by=moved_by or self.moved_by,
        )

    def refuse(self, reader: GraphNode | None) -> NoReturn:
        """Say how the elements lie, which `reader` (None: what follows) cannot take.

        Raises:
            LoweringError: always; names what moved them.
        """
        what, remedy = _arrangement(self)
        where = "between layers" if reader is None else f"in front of {called(reader)}"
        raise LoweringError(f"{self.moved_by or 'the graph'}: {what} {where}", remedy=remedy)

    def kept(self, node: GraphNode | None) -> Kept:
        """Per axis, the indices that keep one pixel: its channels, in order.

        Raises:
            LoweringError: the channels are not along axes, or not in order.
        """
        mask = self.at < self.channels
        axes = range(self.at.ndim)
        kept = tuple(
            np.flatnonzero(mask.any(axis=tuple(other for other in axes if other != axis)))
            for axis in axes
        )
        if not np.array_equal(self.at[np.ix_(*kept)].reshape(-1), np.arange(self.channels)):
            self.refuse(node)
        return kept

    def along(self, node: GraphNode, constant: Array, axis: int | None) -> Array:
        """A constant of `node`, which has this output layout, cut down to one pixel.

        Args:
            node: for errors.
            constant: broadcast against the tensor; or, with `axis`, a value per index of it.
            axis: see there.

        Raises:
            LoweringError: it differs from pixel to pixel.
        """
        if constant.size == 1:
            return constant
        kept = self.kept(node)
        if axis is not None:
            shape = [1] * self.at.ndim
            shape[axis] = len(constant)
            rest = constant.reshape(len(constant), -1)
            parts = [self.along(node, part.reshape(shape), None).reshape(-1) for part in rest.T]
            return np.stack(parts, axis=1).reshape(-1, *constant.shape[1:])
        rank = constant.ndim
        if rank > self.at.ndim:
            raise LoweringError(
                f"{called(node)}: its constants have more axes than its data",
                remedy="wanted one value, or one per channel",
            )
        data = self.at.shape[self.at.ndim - rank :]
        if any(own not in (1, size) for own, size in zip(constant.shape, data, strict=True)):
            raise LoweringError(
                f"{called(node)}: its constants {constant.shape} do not fit its data"
                f" {self.at.shape}",
                remedy="wanted one value, or one per channel",
            )
        chosen = [
            indices if size > 1 else np.zeros(1, np.int64)
            for size, indices in zip(constant.shape, kept[self.at.ndim - rank :], strict=True)
        ]
        cut: Array = constant[np.ix_(*chosen)]
        one = np.broadcast_to(cut, [len(indices) for indices in kept]).reshape(-1)
        if not np.array_equal(
            np.broadcast_to(constant, self.at.shape), one[self.at % self.channels]
        ):
            raise LoweringError(
                f"{called(node)}: its constants differ from pixel to pixel, wanted one per channel",
                remedy="normalise before flattening",
            )
        return cut


def _arrangement(layout: Layout) -> tuple[str, str]:
    """How elements lie that are not (N, C, H, W), and what to do about it."""
    at, count = layout.at, layout.channels
    if np.array_equal(at.reshape(-1), np.arange(at.size)):
        return (
            "leaves the channels last",
            "only a transpose to (N, H, W, C) and back may stand between layers on images",
        )
    planes = at.reshape(count, -1)
    if (planes % count == planes[:, :1] % count).all():
        if (planes // count == np.arange(planes.shape[1])).all():
            return (
                "shuffles the channels",
                "put the order into the weights: permute the input channels of the layer behind it,"
                " or the output channels of the layer before it",
            )
        return "moves pixels, such as by swapping height and width,", "keep (N, C, H, W)"
    return (
        "mixes channels and pixels",
        "keep (N, C, H, W) between layers on images, and flatten in front of MatMul or Gemm only",
    )


def _map(shape: list[int]) -> NDArray[np.int64]:
    _, channels, height, width = shape
    stream = np.arange(channels * height * width).reshape(1, height, width, channels)
    return stream.transpose(0, 3, 1, 2)


def follow(
    layout: Layout, runner: Runner, nodes: tuple[GraphNode, ...], tensor: str
) -> dict[str, Layout]:
    """Layouts of all tensors that `nodes` make from `tensor`, by name.

    Raises:
        LoweringError: a node joins differently arranged data.
    """
    layouts = {tensor: layout}
    for node in nodes:
        given = [layouts[name] for name in node.input if name in layouts]
        if node.op_type in RESHAPING:
            layouts[node.output[0]] = given[0].after(runner, node)
            continue
        for other in given[1:]:
            if not np.array_equal(other.at.reshape(-1), given[0].at.reshape(-1)):
                raise LoweringError(
                    f"{called(node)}: joins differently arranged data",
                    remedy="rearrange both branches alike, or neither",
                )
        widest = max(given, key=lambda one: one.at.ndim)
        layouts.update(dict.fromkeys((name for name in node.output if name), widest))
    return layouts
