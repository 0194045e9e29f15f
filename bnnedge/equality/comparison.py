"""The comparison: integers with `==`, and of what differs the first place, with its name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Dataflow
from bnnedge.errors import MismatchError


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first of what differs between two batches of values.

    Attributes:
        image: its number in the batch.
        channel: of the element that differs.
        pixel: of the element; empty where there are none.
        wanted: what should be there.
        got: what is there.
        images: in how many images something differs.
    """

    image: int
    channel: int
    pixel: tuple[int, ...]
    wanted: Any
    got: Any
    images: int


def first_difference(
    wanted: NDArray[Any], got: NDArray[Any], *, channel_axis: int = -1
) -> Difference | None:
    """Where two arrays (N, …) of one shape differ first; None where they are equal.

    Args:
        wanted: what should be there.
        got: what is there.
        channel_axis: which of the axes holds the channels, behind that of the images.
    """
    wrong = np.argwhere(wanted != got)
    if not len(wrong):
        return None
    image, *place = (int(index) for index in wrong[0])
    at = (image, *place)
    channel = place.pop(channel_axis if channel_axis < 0 else channel_axis - 1) if place else 0
    return Difference(
        image=image,
        channel=channel,
        pixel=tuple(place),
        wanted=wanted[at].item(),
        got=got[at].item(),
        images=len(np.unique(wrong[:, 0])),
    )


def check_equal(
    wanted: NDArray[Any],
    got: NDArray[Any],
    *,
    subject: str,
    at: str = "",
    names: Callable[[int], str] = "class {}".format,
    numbers: NDArray[np.intp] | None = None,
    explain: Callable[[int], str] | None = None,
    remedy: str | None = None,
) -> None:
    """Compare results (N, K) with those of the Dataflow.

    Args:
        wanted: the Dataflow's.
        got: what is there instead, in the same shape.
        subject: what gave them.
        at: under which circumstances, for the message.
        names: what result k is called.
        numbers: of the images; None: they are counted from 0.
        explain: says, of the first wrong image in the batch, more about it.
        remedy: of the error.

    Raises:
        MismatchError: one differs; names the first one's image and place, and both values.
    """
    found = first_difference(wanted, got)
    if found is None:
        return
    image = found.image if numbers is None else int(numbers[found.image])
    more = f"; {explain(found.image)}" if explain else ""
    raise MismatchError(
        f"{subject} differs from the Dataflow on {found.images} of {len(wanted)} images{at};"
        f" first: image {image}, {names(found.channel)}: wanted {found.wanted},"
        f" got {found.got}{more}",
        remedy=remedy,
    )


class Judge:
    """What a network answers to encoded inputs, as its Dataflow says.

    Args:
        dataflow: the network.
        encoded: (N, *input.output_shape), bits or integers.

    Attributes:
        wanted: int64 (N, K), accumulators or classes.
    """

    def __init__(self, dataflow: Dataflow, encoded: NDArray[Any]) -> None:
        self.dataflow = dataflow
        self.encoded = encoded
        self.wanted = dataflow.results_of(encoded)

    def check(
        self,
        got: NDArray[np.int64],
        *,
        subject: str,
        chosen: NDArray[np.intp] | slice = slice(None),
        at: str = "",
        explain: Callable[[int], str] | None = None,
        remedy: str | None = None,
    ) -> None:
        """Compare results (M, K) of chosen images; arguments and errors as of `check_equal`.

        Args:
            got: of the chosen images.
            subject: what gave them.
            chosen: numbers of the images; all of them by default.
            at: under which circumstances, for the message.
            explain: says, of the number of the first wrong image, more about it.
            remedy: of the error.
        """
        numbers = np.arange(len(self.wanted))[chosen]
        check_equal(
            self.wanted[chosen],
            got,
            subject=f"{self.dataflow.name}: {subject}",
            at=at,
            names=self._name,
            numbers=numbers,
            explain=(lambda index: explain(int(numbers[index]))) if explain else None,
            remedy=remedy,
        )

    def _name(self, element: int) -> str:
        if not self.dataflow.class_nodes:
            return f"class {element}"
        return f"class {element + 1} of the top {self.wanted.shape[1]}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What passed on a node's output stream for one image.

    Attributes:
        elements: int64 (elements,), in stream order.
        bits: of an element; a signed one and an unsigned one of the same bits are equal.
    """

    elements: NDArray[np.int64]
    bits: int


def first_wrong_node(dataflow: Dataflow, image: NDArray[Any], seen: Mapping[str, Seen]) -> str:
    """The first node whose output is wrong for one encoded image, and the element, in words.

    Args:
        dataflow: what each node should give.
        image: (*input.output_shape).
        seen: by the names of nodes, those that can be watched.
    """
    trace = dataflow.trace_of(image[None])
    for node in dataflow.nodes:
        if node.name not in seen:
            continue
        values, there = trace[node.name], seen[node.name]
        if there.elements.size != values.size:
            return f"{node.name} gives {there.elements.size} elements instead of {values.size}"
        # As numbers of the stream's bits, and the Dataflow's own where they are equal.
        mask = (1 << there.bits) - 1
        wanted = values.astype(np.int64)
        got = there.elements.reshape(values.shape)
        got = np.where((wanted ^ got) & mask, got, wanted)
        found = first_difference(wanted, got)
        if found is not None:
            where = f" at pixel {found.pixel}" if found.pixel else ""
            return (
                f"{node.name} is the first node to differ, in {int((wanted != got).sum())} of"
                f" {wanted.size} elements, first channel {found.channel}{where}:"
                f" wanted {found.wanted}, got {found.got}"
            )
    return ""
