import numpy as np
import pytest

from bnnedge.dataflow import (
    BIPOLAR,
    ArgMax,
    ElementType,
    IntegerMvu,
    OutputTable,
    ScoreTable,
    Stream,
    XnorMvu,
)
from bnnedge.dataflow.streams import signed_type
from bnnedge.errors import DataflowError


def test_popcount_reaches_both_ends() -> None:
    row = np.array([[1, 0, 1, 1, 0]], np.uint8)
    mvu = XnorMvu(name="m", weights=row)
    assert mvu.popcounts(np.concatenate([row, 1 - row])).tolist() == [[5], [0]]
    assert mvu.run(np.concatenate([row, 1 - row])).tolist() == [[5], [-5]]


@pytest.mark.smoke
def test_run_equals_a_loop_over_synapses() -> None:
    rng = np.random.default_rng(1)
    weights, bits = rng.integers(0, 2, (6, 13)), rng.integers(0, 2, (20, 13), dtype=np.uint8)
    mvu = XnorMvu(
        name="m",
        weights=weights,
        thresholds=np.array([0, 1, 6, 7, 13, 14]),
        invert=np.array([0, 1, 0, 1, 1, 0]),
    )
    for image, out in zip(bits, mvu.run(bits), strict=True):
        for row in range(6):
            count = sum(int(w == x) for w, x in zip(weights[row], image, strict=True))
            assert mvu.thresholds is not None and mvu.invert is not None
            assert out[row] == (count >= mvu.thresholds[row]) ^ mvu.invert[row]


@pytest.mark.parametrize("thresholded", [False, True])
def test_masked_columns_do_not_count(thresholded: bool) -> None:
    rng = np.random.default_rng(3)
    weights, magnitudes = rng.integers(0, 2, (2, 6, 13))
    magnitudes[0], magnitudes[1] = 0, 1
    mvu = XnorMvu(
        name="m",
        weights=weights,
        magnitudes=magnitudes,
        thresholds=rng.integers(0, 10, 6) if thresholded else None,
        invert=rng.integers(0, 2, 6) if thresholded else None,
    )
    assert mvu.sums.tolist() == [sum(row) for row in magnitudes.tolist()]
    bits = rng.integers(0, 2, (50, 13), dtype=np.uint8)
    counts, out = mvu.popcounts(bits), mvu.run(bits)
    for image, row in np.ndindex(50, 6):
        own = [c for c in range(13) if magnitudes[row, c]]
        count = sum(int(weights[row, c] == bits[image, c]) for c in own)
        assert counts[image, row] == count
        if mvu.thresholds is None or mvu.invert is None:
            assert out[image, row] == 2 * count - len(own)
        else:
            assert out[image, row] == (count >= mvu.thresholds[row]) ^ mvu.invert[row]


def test_products_are_those_of_signs_and_magnitudes() -> None:
    rng = np.random.default_rng(4)
    weights, magnitudes = rng.integers(0, 2, (4, 12)), rng.integers(0, 9, (4, 12))
    magnitudes[0], magnitudes[1] = 0, 8
    mvu = IntegerMvu(name="m", weights=weights, magnitudes=magnitudes, groups=2)
    x = rng.integers(-4, 4, (30, 24))
    for image, row in np.ndindex(30, 4):
        own = x[image].reshape(2, 12)[row // 2]
        wanted = sum(
            int(m) * (int(v) if w else -int(v))
            for w, m, v in zip(weights[row], magnitudes[row], own, strict=True)
        )
        assert mvu.run(x)[image, row] == wanted
    assert mvu.magnitude_bits == 4 and mvu.accumulator_limit(_INT3) == 12 * 15 * 4


@pytest.mark.parametrize(
    ("kind", "magnitudes", "text"),
    [
        (XnorMvu, np.ones((3, 2)), r"m: wanted a magnitude for each weight \(2, 3\), got \(3, 2\)"),
        (IntegerMvu, np.ones(3), r"m: wanted a magnitude for each weight \(2, 3\), got \(3,\)"),
        (XnorMvu, np.full((2, 3), 2), "m: wanted magnitudes up to 1, some not 0, got 2"),
        (IntegerMvu, np.full((2, 3), 9), "m: wanted magnitudes up to 8, some not 0, got 9"),
        (XnorMvu, np.zeros((2, 3)), "m: wanted magnitudes up to 1, some not 0, got 0"),
        (IntegerMvu, np.zeros((2, 3)), "m: wanted magnitudes up to 8, some not 0, got 0"),
    ],
)
def test_magnitudes_that_do_not_fit_are_refused(
    kind: type[XnorMvu | IntegerMvu], magnitudes: np.ndarray, text: str
) -> None:
    node = kind(name="m", weights=np.ones((2, 3)), magnitudes=magnitudes)
    element = BIPOLAR if kind is XnorMvu else _INT3
    with pytest.raises(DataflowError, match=text):
        node.output_stream(Stream(shape=(3,), element=element))


def test_threshold_zero_always_fires_and_mw_plus_one_never() -> None:
    bits = np.array([[0, 0, 0], [1, 1, 1], [1, 0, 1]], np.uint8)
    mvu = XnorMvu(
        name="m", weights=np.ones((2, 3)), thresholds=np.array([0, 4]), invert=np.zeros(2)
    )
    assert mvu.run(bits).tolist() == [[1, 0]] * 3


@pytest.mark.parametrize(("synapses", "width"), [(1, 2), (3, 3), (4, 4), (64, 8), (1024, 12)])
def test_accumulator_holds_every_dot_product(synapses: int, width: int) -> None:
    assert signed_type(synapses).width_bits == width
    assert -(2 ** (width - 1)) <= -synapses and synapses <= 2 ** (width - 1) - 1


def test_argmax_takes_the_lowest_of_equals() -> None:
    assert ArgMax(name="a").run(np.array([[1, 3, 3], [-2, -2, -2]])).tolist() == [[1], [0]]


def test_top_k_equals_a_loop_that_takes_the_largest_away() -> None:
    values = np.random.default_rng(2).integers(-3, 4, (200, 7))
    for k in (1, 3, 7):
        for row, classes in zip(values.tolist(), ArgMax(name="a", k=k).run(values), strict=True):
            wanted = []
            for _ in range(k):
                wanted.append(row.index(max(row)))
                row[wanted[-1]] = -9
            assert classes.tolist() == wanted


@pytest.mark.parametrize("k", [-1, 0, 5])
def test_top_k_takes_no_more_than_there_are(k: int) -> None:
    stream = Stream(shape=(4,), element=_INT3)
    assert ArgMax(name="a", k=4).output_stream(stream).shape == (4,)
    with pytest.raises(DataflowError, match=f"a: wanted k from 1 to 4 classes, got {k}"):
        ArgMax(name="a", k=k).output_stream(stream)


@pytest.mark.parametrize(
    ("values", "keeps"),
    [
        ([[0, 1, 2], [0, 1, 2]], True),
        ([[0, 1, 1], [0, 1, 1]], False),  # two accumulators round to one float: ties differ
        ([[0, 1, 2], [0, 1, 3]], False),  # per-class scale
        ([[2, 1, 0], [2, 1, 0]], False),  # negative scale
    ],
)
def test_keeps_order_only_where_argmax_is_unchanged(values: list[list[int]], keeps: bool) -> None:
    assert OutputTable(values=np.array(values), classes=True, low=-2).keeps_order is keeps


def _adversarial_tables() -> dict[str, list[list[float]]]:
    below, above = (float(np.nextafter(np.float32(1), np.float32(end))) for end in (0, 2))
    rising, falling = [-3.0, -1.0, 1.0, 3.0], [3.0, 1.0, -1.0, -3.0]
    return {
        "negative scales": [rising, falling, [-x for x in rising]],
        "equal floats at different accumulators": [[0, 0, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]],
        "negative zero": [[-0.0, 0.0, 1e-45, -1e-45], [0.0, -0.0, -1e-45, 1e-45]],
        "next floats": [[below, 1.0, above, 1.0], [1.0, above, below, below]],
        "huge and small": [[-3.4e38, -1e-38, 1e-45, 3.4e38], [3e38, 1e-38, -1e-45, -3e38]],
        "one float": [[7, 7, 7, 7], [7, 7, 7, 7]],
        "one class": [[2, 1, 0, 1]],
    }


@pytest.mark.parametrize("values", _adversarial_tables().values(), ids=_adversarial_tables())
def test_scores_compare_as_the_floats_do(values: list[list[float]]) -> None:
    """Every accumulator of every class with every one of every other: order, ties and arg-max."""
    table = OutputTable(values=np.float32(values), classes=True, low=-3)
    node = ScoreTable(name="s", scores=table.scores(), low=-3, step=2)
    flat, scores = table.values.reshape(-1), node.scores.reshape(-1)
    assert np.array_equal(np.less.outer(scores, scores), np.less.outer(flat, flat))
    assert np.array_equal(np.equal.outer(scores, scores), np.equal.outer(flat, flat))

    element = node.output_stream(Stream(shape=(len(values),), element=_INT3)).element
    assert element.smallest <= scores.min() and scores.max() <= element.largest
    assert len(np.unique(flat)) > 1 << (element.width_bits - 1) or element.width_bits == 1

    grid = np.meshgrid(*[np.arange(-3, 4, 2)] * len(values))
    accumulators = np.stack([axis.reshape(-1) for axis in grid], axis=1)
    found = ArgMax(name="a").run(node.run(accumulators))[:, 0]
    assert found.tolist() == table.logits(accumulators).argmax(axis=1).tolist()


_INT3 = ElementType(width_bits=3, signed=True)


@pytest.mark.parametrize(
    ("shape", "step", "stream", "text"),
    [
        ((2, 4), 2, Stream(shape=(3,), element=_INT3), r"scores \(2, 4\) do not fit 3 INT3"),
        ((2, 0), 2, Stream(shape=(2,), element=_INT3), "do not fit"),
        ((2, 4), 3, Stream(shape=(2,), element=_INT3), "wanted steps of 1 or 2, got 3"),
        ((2, 4), 2, Stream(shape=(2,), element=BIPOLAR), "wanted a vector of signed integers"),
        ((2, 4), 2, Stream(shape=(1, 1, 2), element=_INT3), "wanted a vector of signed integers"),
    ],
)
def test_a_score_table_must_fit(
    shape: tuple[int, int], step: int, stream: Stream, text: str
) -> None:
    node = ScoreTable(name="s", scores=np.zeros(shape, np.int32), low=-3, step=step)
    with pytest.raises(DataflowError, match=text):
        node.output_stream(stream)


def test_arrays_are_read_only() -> None:
    mvu = XnorMvu(name="m", weights=np.ones((2, 3)))
    with pytest.raises(ValueError, match="read-only"):
        mvu.weights[0, 0] = 0


@pytest.mark.parametrize(
    ("mvu", "text"),
    [
        (XnorMvu(name="m", weights=np.full((2, 3), 2)), "more than 0 and 1"),
        (XnorMvu(name="m", weights=np.ones(3)), "shape"),
        (XnorMvu(name="m", weights=np.ones((2, 3)), thresholds=np.zeros(2)), "go together"),
        (
            XnorMvu(name="m", weights=np.ones((2, 3)), thresholds=np.zeros(3), invert=np.zeros(3)),
            "wanted 2 invert flags",
        ),
        (
            XnorMvu(name="m", weights=np.ones((2, 3)), thresholds=[0, 5], invert=[0, 0]),
            r"outside \[0, 4\]",
        ),
        (XnorMvu(name="m", weights=np.ones((2, 4))), "wanted 4 inputs, got 3 BIPOLAR"),
    ],
)
def test_misfits_are_refused(mvu: XnorMvu, text: str) -> None:
    with pytest.raises(DataflowError, match=text):
        mvu.output_stream(Stream(shape=(3,), element=BIPOLAR))
