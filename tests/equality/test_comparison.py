"""The comparison names what differs first."""

import numpy as np
import pytest

from bnnedge.equality import Judge, check_equal, first_difference, stimuli
from bnnedge.equality.comparison import Seen, first_wrong_node
from bnnedge.errors import MismatchError
from tests.networks import random_conv, random_mlp


def test_the_first_difference_has_a_channel_and_a_pixel() -> None:
    wanted = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert first_difference(wanted, wanted.copy()) is None
    got = wanted.copy()
    got[1, 2, 0, 3] = -7
    found = first_difference(wanted, got)
    assert found is not None
    assert (found.image, found.channel, found.pixel) == (1, 3, (2, 0))
    assert (found.wanted, found.got, found.images) == (103, -7, 1)
    first = first_difference(wanted, got, channel_axis=1)
    assert first is not None and (first.channel, first.pixel) == (2, (0, 3))


@pytest.mark.smoke
def test_a_wrong_result_is_named_with_its_image_and_both_values() -> None:
    dataflow = random_mlp((20, 12, 6, 3), seed=5)
    judge = Judge(dataflow, stimuli(dataflow, 8, seed=0))
    judge.check(judge.wanted, subject="itself")
    got = judge.wanted[4:].copy()
    got[2:, 1] += 5
    with pytest.raises(MismatchError) as caught:
        judge.check(
            got, subject="board", chosen=np.arange(4, 8), at=" at noon", explain="image {}".format
        )
    wanted = judge.wanted[6, 1]
    assert str(caught.value) == (
        "random: board differs from the Dataflow on 2 of 4 images at noon;"
        f" first: image 6, class 1: wanted {wanted}, got {wanted + 5}; image 6"
    )


def test_a_wrong_class_is_named_by_its_rank() -> None:
    dataflow = random_mlp((20, 12, 6, 3), seed=5, classes=True)
    judge = Judge(dataflow, stimuli(dataflow, 8, seed=0))
    with pytest.raises(MismatchError, match="image 0, class 1 of the top 1: wanted"):
        judge.check(judge.wanted + 1, subject="board")


def test_a_remedy_is_passed_on() -> None:
    with pytest.raises(MismatchError, match="first: image 1, class 0: wanted 1, got 2 — try again"):
        check_equal(np.array([[0], [1]]), np.array([[0], [2]]), subject="it", remedy="try again")


def test_the_first_wrong_node_is_named_with_the_element() -> None:
    dataflow = random_conv()
    image = stimuli(dataflow, 4, seed=0)[3]
    trace = dataflow.trace_of(image[None])
    names = [node.name for node in dataflow.nodes[1:4]]
    seen = {name: Seen(elements=trace[name].ravel().astype(np.int64), bits=16) for name in names}
    assert first_wrong_node(dataflow, image, seen) == ""
    elements = seen[names[1]].elements.copy()
    last = elements.size - 1
    elements[last] ^= 1
    _, height, width, channels = trace[names[1]].shape
    wrong = {**seen, names[1]: Seen(elements=elements, bits=16)}
    text = first_wrong_node(dataflow, image, wrong)
    assert text == (
        f"{names[1]} is the first node to differ, in 1 of {last + 1} elements, first channel"
        f" {channels - 1} at pixel {(height - 1, width - 1)}:"
        f" wanted {elements[last] ^ 1}, got {elements[last]}"
    )
    short = {names[0]: Seen(elements=elements[:3], bits=16)}
    assert first_wrong_node(dataflow, image, short).startswith(f"{names[0]} gives 3 elements inst")
