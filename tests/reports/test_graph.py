"""The picture of a network: nothing overlaps, nothing is outside, everything is there."""

import itertools

import numpy as np
import pytest

from bnnedge.findings import Layer, Link, Pipeline
from bnnedge.reports.graph import Arrow, Box, GraphPicture, draw
from bnnedge.reports.layout import lay_out

Sources = dict[str, tuple[str | None, ...]]

RESIDUAL: Sources = {
    "conv": (None,),
    "sign1": ("conv",),
    "mvu1": ("sign1",),
    "add1": ("mvu1", "conv"),
    "pixels2": ("add1",),
    "sign2": ("add1",),
    "window2": ("sign2",),
    "mvu2": ("window2",),
    "add2": ("mvu2", "pixels2"),
}
NESTED: Sources = {
    "a": (None,),
    "b": ("a",),
    "c": ("b",),
    "inner": ("c", "b"),
    "outer": ("inner", "a"),
    "doubled": ("outer", "outer"),
    "all": ("doubled", None),
}


def pipeline(sources: Sources, *, name: str = "{}") -> Pipeline:
    """Every third node is a matrix, and so higher than others."""
    layers = tuple(
        Layer(
            name=name.format(key),
            kernel="kernel",
            inputs=tuple(
                Link(
                    source=None if source is None else name.format(source),
                    width_bits=1 << number,
                    elements=1_048_576,
                    element="BIPOLAR",
                )
                for source in read
            ),
            shape=(32, 32, 1024),
            predicted_cycles=100 + number,
            **(dict(rows=64, columns=576, pe=8, simd=3, weight_bits=36864) if number % 3 else {}),
        )
        for number, (key, read) in enumerate(sources.items())
    )
    return Pipeline(
        layers=layers,
        output=Link(source=layers[-1].name, width_bits=32),
        encoding="uint8",
        inputs=1,
        input_bits=8,
        answer="class",
        predicted_interval_cycles=100,
    )


def random_graph(seed: int) -> Sources:
    rng = np.random.default_rng(seed)
    names: list[str | None] = [None]
    sources: Sources = {}
    for number in range(12):
        near = names[-4:]
        reads = rng.choice(len(near), rng.integers(1, 3))
        sources[f"n{number}"] = tuple(near[index] for index in reads)
        names.append(f"n{number}")
    return sources


def stretches(arrow: Arrow) -> list[tuple[float, float, float, float]]:
    """What it may reach between its points: left, top, right, bottom."""
    return [
        (min(x, to_x), y, max(x, to_x), to_y)
        for (x, y), (to_x, to_y) in itertools.pairwise(arrow.points)
    ]


def edges_of(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.x + box.width, box.y + box.height


def label_of(arrow: Arrow) -> tuple[float, float, float, float]:
    width = 5.5 * len(arrow.label)
    return arrow.label_x, arrow.label_y - 6, arrow.label_x + width, arrow.label_y + 6


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def check_geometry(picture: GraphPicture) -> None:
    for one, other in itertools.combinations(picture.boxes, 2):
        assert not overlap(edges_of(one), edges_of(other)), (one.title, other.title)
    for box in picture.boxes:
        left, top, right, bottom = edges_of(box)
        assert 0 <= left < right <= picture.width and 0 <= top < bottom <= picture.height
        for arrow in picture.arrows:
            for left, top, right, bottom in stretches(arrow):
                # A line has no area, so it gets some.
                assert not overlap((left - 1, top, right + 1, bottom), edges_of(box))
    straight = [
        s for arrow in picture.arrows for s in stretches(arrow) if s[0] == s[2] and s[1] < s[3]
    ]
    for (x, top, _, bottom), (other_x, other_top, _, other_bottom) in itertools.combinations(
        straight, 2
    ):
        assert x != other_x or bottom <= other_top or other_bottom <= top
    for arrow in picture.arrows:
        assert all(0 <= x <= picture.width for x, _ in arrow.points)
        assert label_of(arrow)[2] <= picture.width
        for box in picture.boxes:
            assert not overlap(label_of(arrow), edges_of(box)), (arrow.label, box.title)
    assert picture.parts[0][0] == 0 and picture.parts[-1][1] == picture.height
    for (_, end), (start, _) in itertools.pairwise(picture.parts):
        assert end == start
        assert not any(box.y < end < box.y + box.height for box in picture.boxes)


@pytest.mark.parametrize("sources", [RESIDUAL, NESTED, *map(random_graph, range(20))])
def test_nothing_overlaps_and_nothing_is_outside(sources: Sources) -> None:
    picture = draw(pipeline(sources))
    assert len(picture.boxes) == len(sources) + 2
    assert len(picture.arrows) == sum(map(len, sources.values())) + 1
    check_geometry(picture)


@pytest.mark.parametrize("sources", [RESIDUAL, NESTED])
def test_labels_of_forks_and_joins_stand_clear(sources: Sources) -> None:
    picture = draw(pipeline(sources))
    labels = [label_of(arrow) for arrow in picture.arrows]
    assert not any(overlap(one, other) for one, other in itertools.combinations(labels, 2))
    for left, top, right, bottom in itertools.chain.from_iterable(map(stretches, picture.arrows)):
        assert not any(overlap((left - 1, top, right + 1, bottom), label) for label in labels)


def test_arrows_go_from_box_to_box() -> None:
    picture = draw(pipeline(RESIDUAL))
    boxes = dict(zip(("host", *RESIDUAL, "answer"), picture.boxes, strict=True))
    ends = [(source or "host", name) for name, read in RESIDUAL.items() for source in read]
    for (source, target), arrow in zip([*ends, ("add2", "answer")], picture.arrows, strict=True):
        (x, y), *_, (to_x, to_y) = arrow.points
        before, after = boxes[source], boxes[target]
        assert before.x < x < before.x + before.width and y == before.y + before.height
        assert after.x < to_x < after.x + after.width and to_y == after.y


def test_the_longest_path_is_straight_and_the_others_are_beside_it() -> None:
    layout = lay_out(
        {name: [source or "in" for source in read] for name, read in {"in": (), **RESIDUAL}.items()}
    )
    assert {name for name, column in layout.columns.items() if column} == {"pixels2"}
    assert layout.rows == {
        **{"in": 0, "conv": 1, "sign1": 2, "mvu1": 3, "add1": 4},
        **{"pixels2": 5, "sign2": 5, "window2": 6, "mvu2": 7, "add2": 8},
    }
    assert layout.lanes == {("add1", 1): 1, ("add2", 1): 1}


def test_short_edges_are_inside_long_ones() -> None:
    layout = lay_out(
        {name: [source or "in" for source in read] for name, read in {"in": (), **NESTED}.items()}
    )
    assert layout.lanes == {("inner", 1): 1, ("outer", 1): 2, ("all", 1): 3}


def test_a_deep_network_is_cut_between_rows() -> None:
    chain: Sources = {f"n{i}": (f"n{i - 1}" if i else None,) for i in range(60)}
    picture = draw(pipeline(chain))
    check_geometry(picture)
    assert len(picture.parts) > 10
    assert max(bottom - top for top, bottom in picture.parts) <= 350
    assert {box.x for box in picture.boxes} == {picture.boxes[0].x}


def test_long_names_are_cut_in_the_middle_and_whole_in_the_title() -> None:
    name = "/layer1/layer1.0/conv1/" + "x" * 60 + "/BipolarQuant_{}"
    picture = draw(pipeline(RESIDUAL, name=name))
    box = picture.boxes[1]
    text = box.texts[0][0]
    assert box.title == f"{name.format('conv')}: kernel"
    assert text.startswith("/layer1/") and "…" in text and text.endswith("conv")
    assert 7.4 * (len(text) + len(box.texts[0][1])) < box.text_right


def test_only_the_slowest_is_the_bottleneck() -> None:
    picture = draw(pipeline(RESIDUAL))
    assert [box.title for box in picture.boxes if box.bottleneck] == ["add2: kernel"]
    assert [box.texts[0][1] for box in picture.boxes[-3:-1]] == [
        "107 cycles",
        "bottleneck: 108 cycles",
    ]


def test_wide_streams_are_thick() -> None:
    picture = draw(pipeline(RESIDUAL))
    thickness = [arrow.thickness for arrow in picture.arrows]
    assert thickness[0] == 1.5 and thickness[:3] == sorted(set(thickness[:3]))
    assert max(thickness) <= 7
