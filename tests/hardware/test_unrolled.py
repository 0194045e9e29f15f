"""Layers whose weights are logic: graph == Dataflow, module == graph, networks == Dataflow."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnedge.artifacts import artifact_of
from bnnedge.dataflow import Dataflow, Stream, XnorMvu
from bnnedge.dataflow.streams import BIPOLAR
from bnnedge.design import TOP_MODULE, Design
from bnnedge.equality import stimuli
from bnnedge.errors import FoldingError
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.findings import ReportData
from bnnedge.hardware import RtlConfig, emit
from bnnedge.hardware.folding import Folding, folding_record, layers_of, read_folding
from bnnedge.hardware.kernels import LutLayerKernel, UnrolledMvuKernel, XnorMvuKernel
from bnnedge.hardware.section import section
from bnnedge.hardware.unrolled import interpreter
from bnnedge.hardware.unrolled.graph import FALSE, TRUE, Graph, Literal, Lut
from bnnedge.lowering import LoweringConfig, lower_model
from bnnedge.reports.graph import draw
from bnnedge.simulation import PATTERNS
from bnnedge.sizing import size
from bnnedge.verilated import verilator
from bnnedge.verilated.stalls import NO_STALLS
from tests.hardware.bench import KernelBench, beats_of, elements_of, run_network, signed
from tests.hardware.test_mvu import adversarial_mvu
from tests.lowering.test_sparse import network as sparse_network
from tests.networks import random_mlp
from tests.networks.chains import random_chain, random_folding
from tests.networks.luts import lut_network, random_luts

_SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def inputs_of(node: XnorMvu, images: int, seed: int = 0) -> NDArray[np.uint8]:
    """Random bits (images, inputs), and among them what each row sees as extremes, nearly."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (images, node.groups * node.mw), dtype=np.uint8)
    rows = np.tile(node.weights[rng.integers(0, node.mh, images)], (1, node.groups))
    near = rows ^ (rng.random(bits.shape) < 0.1) ^ rng.integers(0, 2, (images, 1))
    bits[::2] = near[::2]
    bits[:2] = [[0], [1]]
    return bits


def results_of(node: XnorMvu, out: NDArray[np.uint8]) -> NDArray[np.int64]:
    """What a graph gives (N, bits) as what the node gives (N, MH)."""
    width = out.shape[1] // node.mh
    values = out.reshape(len(out), node.mh, width).astype(np.int64) @ (1 << np.arange(width))
    return values if node.thresholds is not None else signed(values, width)


def unrolled(node: XnorMvu) -> UnrolledMvuKernel:
    stream = Stream(shape=(node.groups * node.mw,), element=BIPOLAR)
    fold = XnorMvuKernel.folds(node, (stream,))[-1]
    kernel = XnorMvuKernel.of(node, (stream,), fold)
    assert isinstance(kernel, UnrolledMvuKernel)
    return kernel


def check_graph(mh: int, mw: int, groups: int, thresholded: bool, masked: bool, seed: int) -> None:
    node = adversarial_mvu(
        mh * groups, mw, thresholded=thresholded, groups=groups, masked=masked, seed=seed
    )
    bits = inputs_of(node, 200, seed)
    assert (results_of(node, interpreter.run(unrolled(node).graph, bits)) == node.run(bits)).all()


@given(
    mh=st.integers(1, 12),
    mw=st.integers(1, 70),
    groups=st.integers(1, 3),
    thresholded=st.booleans(),
    masked=st.booleans(),
    seed=st.integers(0, 1000),
)
@_SETTINGS
def test_a_graph_computes_what_the_node_does(
    mh: int, mw: int, groups: int, thresholded: bool, masked: bool, seed: int
) -> None:
    check_graph(mh, mw, groups, thresholded, masked, seed)


@pytest.mark.parametrize("thresholded", [False, True])
def test_rows_of_no_column_are_constants(thresholded: bool) -> None:
    magnitudes = np.zeros((6, 9), np.uint8)
    magnitudes[5, 2] = 1
    node = XnorMvu(
        name="fc",
        weights=np.ones((6, 9), np.uint8),
        magnitudes=magnitudes,
        thresholds=np.array([0, 1, 0, 1, 10, 1]) if thresholded else None,
        invert=np.array([0, 0, 1, 1, 0, 0], np.bool_) if thresholded else None,
    )
    bits = np.random.default_rng(0).integers(0, 2, (50, 9), dtype=np.uint8)
    out = results_of(node, interpreter.run(unrolled(node).graph, bits))
    own = bits[:, 2] if thresholded else 2 * bits[:, 2].astype(int) - 1
    assert (out[:, :5] == ([1, 0, 0, 1, 0] if thresholded else 0)).all()
    assert (out[:, 5] == own).all()


@pytest.mark.parametrize("index", range(3))
def test_a_graph_that_differs_is_not_written(index: int) -> None:
    kernel = unrolled(adversarial_mvu(6, 30, thresholded=True, seed=1))
    graph = kernel.graph
    luts = [signal for signal in graph.live if isinstance(graph.cells[signal], Lut)]
    signal = luts[index * (len(luts) - 1) // 2]
    cell = graph.cells[signal]
    assert isinstance(cell, Lut)
    graph.cells[signal] = Lut(cell.table ^ (1 << (1 << len(cell.inputs))) - 1, cell.inputs)
    with pytest.raises(AssertionError, match="a graph differs from its node"):
        kernel.text("layer")


@pytest.mark.slow
def test_hundreds_of_graphs_compute_what_the_node_does() -> None:
    rng = np.random.default_rng(1)
    for seed in range(500):
        mh, mw = (int(number) for number in rng.integers(1, (40, 301)))
        check_graph(mh, mw, int(rng.integers(1, 4)), seed % 3 > 0, seed % 2 > 0, seed)


@given(
    table=st.integers(0, 2**16 - 1),
    literals=st.lists(st.integers(0, 9), min_size=4, max_size=4),
    exact=st.booleans(),
)
@_SETTINGS
def test_a_lookup_table_may_have_constants_complements_and_the_same_input_twice(
    table: int, literals: list[Literal], exact: bool
) -> None:
    graph = Graph(4)
    out = graph.lut(table, literals, exact=exact)
    assert not exact or out <= TRUE or not out & 1 or len(graph.cells) == 5
    graph.give([out, TRUE, FALSE])
    bits = np.array(list(product((0, 1), repeat=4)), np.uint8)
    for given_bits, got in zip(bits, interpreter.run(graph, bits), strict=True):
        signals = [0, *given_bits]
        index = sum(int(signals[x >> 1] ^ (x & 1)) << place for place, x in enumerate(literals))
        assert got.tolist() == [table >> index & 1, 1, 0]


@pytest.mark.parametrize(
    ("mh", "mw", "groups", "thresholded", "masked"),
    [
        (5, 17, 1, True, False),
        (6, 9, 3, False, False),
        (1, 1, 1, True, False),
        pytest.param(12, 14, 2, True, True, marks=pytest.mark.slow),
        pytest.param(10, 20, 1, False, True, marks=pytest.mark.slow),
        pytest.param(1, 1, 1, True, True, marks=pytest.mark.slow),
    ],
)
def test_the_module_computes_what_the_node_does(
    mh: int, mw: int, groups: int, thresholded: bool, masked: bool, bench: KernelBench
) -> None:
    node = adversarial_mvu(mh, mw, thresholded=thresholded, groups=groups, masked=masked, seed=mh)
    kernel = unrolled(node)
    bits = inputs_of(node, 100)
    beats = beats_of(bits.astype(np.int64), 1)
    for stalls in bench.stalls:
        run = bench.run_kernel(kernel, beats, len(bits), stalls=stalls)
        out = elements_of(run.outputs, kernel.out_bits, 1).astype(np.uint8)
        assert (results_of(node, out) == node.run(bits)).all()


def emitted(dataflow: Dataflow, folding: Folding, folder: Path) -> Path:
    (folder / "dataflow").mkdir()
    dataflow.save(folder / "dataflow")
    (folder / "folding.json").write_text(json.dumps(folding_record(folding)))
    config = RtlConfig(folding=folder / "folding.json")
    written = emit(folder / "dataflow", config, folder / "rtl")
    assert written.facts.folding == folding_record(folding)
    return written.folder


def with_unrolled(dataflow: Dataflow, seed: int, share: float) -> Folding:
    """A random folding, with so many of the layers that can be unrolled, on average."""
    rng = np.random.default_rng(seed)
    folding = dict(random_folding(dataflow, seed))
    for layer in layers_of(dataflow):
        if isinstance(layer.node, XnorMvu) and rng.random() < share:
            whole = XnorMvuKernel.folds(layer.node, (layer.before,))[-1]
            folding[layer.node.name] = whole if whole.unrolled else folding[layer.node.name]
    return folding


def check_network(
    dataflow: Dataflow, folding: Folding, folder: Path, cache: Path, images: int = 40
) -> Design:
    rtl = emitted(dataflow, folding, folder)
    encoded = stimuli(dataflow, images, seed=1)
    expected = dataflow.results_of(encoded)
    design = Design.load(rtl)
    for stalls in (NO_STALLS, *PATTERNS):
        run = run_network(rtl, encoded, cache=cache, stalls=stalls)
        assert (run.values == expected).all()
        if stalls is NO_STALLS and design.interval_cycles == 1:
            assert run.interval_cycles == 1
    return design


def test_an_unrolled_network_gives_a_class_in_every_cycle(tmp_path: Path, cache: Path) -> None:
    dataflow = random_mlp((40, 12, 9, 5), classes=True)
    design = check_network(dataflow, with_unrolled(dataflow, 0, 1), tmp_path, cache, images=200)
    assert design.interval_cycles == 1
    assert [layer.kernel for layer in design.layers] == ["unrolled_mvu"] * 3 + ["arg_max"]
    assert len(design.rigid_streams) == 5  # from the gate to the FIFO behind arg_max
    verilator.lint([tmp_path / "rtl" / name for name in design.sources], top=TOP_MODULE)


@pytest.mark.parametrize("seed", range(4))
def test_folded_and_unrolled_layers_mix(seed: int, tmp_path: Path, cache: Path) -> None:
    dataflow = random_mlp((24, 12, 9, 8, 5), seed=seed, classes=seed % 2 == 1)
    check_network(dataflow, with_unrolled(dataflow, seed, 0.5), tmp_path, cache)


def test_a_report_draws_what_all_groups_take_within_the_matrix(tmp_path: Path) -> None:
    dataflow = lut_network(0)
    rtl = emitted(dataflow, with_unrolled(dataflow, 0, 1), tmp_path)
    artifact = artifact_of(rtl)
    assert artifact is not None
    pipeline = section(ReportData(network="luts"), artifact, ()).pipeline
    assert pipeline is not None
    (votes,) = (layer for layer in pipeline.layers if layer.kernel == "unrolled_mvu")
    assert dataflow.mvus[0].groups > 1 and votes.simd == votes.columns == dataflow.mvus[0].mw
    (box,) = (box for box in draw(pipeline).boxes if box.fold is not None)
    assert (box.fold.tile_width, box.fold.tile_height) == (box.fold.width, box.fold.height)
    assert box.texts[-1][1] == "weights are logic"


@pytest.mark.parametrize("seed", range(3))
def test_convolutions_are_unrolled_per_pixel(seed: int, tmp_path: Path, cache: Path) -> None:
    dataflow = random_chain(seed)
    check_network(dataflow, with_unrolled(dataflow, seed, 0.7), tmp_path, cache, images=6)


def test_a_fifo_with_credits_keeps_its_depth(tmp_path: Path) -> None:
    dataflow = random_mlp((24, 12, 5), classes=True)
    rtl = emitted(dataflow, with_unrolled(dataflow, 0, 1), tmp_path)
    sized = size(rtl, tmp_path / "fifos").facts
    (credits,) = (fifo for fifo in sized.fifos if fifo.name == "out_credits")
    assert credits.depth_words == credits.first_guess_words > credits.high_water_words
    assert sized.interval_cycles == 1


@pytest.mark.parametrize("seed", range(3))
def test_tables_and_their_votes_take_a_cycle(seed: int, tmp_path: Path, cache: Path) -> None:
    dataflow = lut_network(seed)
    design = check_network(dataflow, with_unrolled(dataflow, 0, 1), tmp_path, cache, images=200)
    assert design.interval_cycles == 1


def test_sparse_sums_give_a_class_in_every_cycle(tmp_path: Path, cache: Path) -> None:
    onnx.save(to_qonnx(sparse_network((25, 12), 5, seed=3)), tmp_path / "model.onnx")
    config = LoweringConfig(classify=True)
    dataflow = lower_model(tmp_path / "model.onnx", config).dataflow
    assert [type(node).__name__ for node in dataflow.nodes][:2] == ["LutLayer", "LutLayer"]
    design = check_network(dataflow, with_unrolled(dataflow, 0, 1), tmp_path, cache, images=200)
    assert design.interval_cycles == 1


def check_tables(seed: int) -> None:
    rng = np.random.default_rng(seed)
    channels, tables = (int(number) for number in rng.integers(1, 301, 2))
    node = random_luts(rng, "lut", channels, tables)
    bits = rng.integers(0, 2, (200, channels), dtype=np.uint8)
    stream = Stream(shape=(channels,), element=BIPOLAR)
    kernel = LutLayerKernel.of(node, (stream,), LutLayerKernel.folds(node, (stream,))[0])
    assert (interpreter.run(kernel.graph, bits) == node.run(bits)).all()


@pytest.mark.parametrize("seed", range(20))
def test_a_graph_of_tables_computes_what_the_node_does(seed: int) -> None:
    check_tables(seed)


@pytest.mark.slow
def test_hundreds_of_graphs_of_tables_compute_what_the_node_does() -> None:
    for seed in range(500):
        check_tables(seed)


def test_a_folding_file_says_what_is_unrolled(tmp_path: Path) -> None:
    dataflow = random_mlp((12, 6, 4))
    path = tmp_path / "folding.json"
    record = {"mvu0": {"PE": 6, "SIMD": 12, "unrolled": True}, "mvu1": {"PE": 1, "SIMD": 6}}
    path.write_text(json.dumps(record))
    folding = read_folding(path, dataflow)
    assert folding["mvu0"].unrolled and not folding["mvu1"].unrolled
    assert folding_record(folding) == record
    for wrong, what in (
        ({"PE": 3, "SIMD": 12, "unrolled": True}, "wanted PE 6 and SIMD 12 of an unrolled layer"),
        ({"PE": 6, "SIMD": 12, "unrolled": False}, "wanted unrolled to be true or not there"),
    ):
        path.write_text(json.dumps(record | {"mvu0": wrong}))
        with pytest.raises(FoldingError, match=what):
            read_folding(path, dataflow)
