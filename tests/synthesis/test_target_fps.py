"""The folding that each board's `target_fps` asks for: the named networks fit by estimate."""

import re
from pathlib import Path

import numpy as np
import pytest

from bnnedge.boards import known_boards
from bnnedge.dataflow import Dataflow, OutputTable, XnorMvu
from bnnedge.design import Design
from bnnedge.families.xilinx import ZynqBoard
from bnnedge.hardware import RtlConfig, emit
from bnnedge.synthesis import SynthesisConfig, synthesise
from tests.hardware.test_cnv import cnv
from tests.networks import identity_encoding

BOARDS = [board for board in known_boards().values() if isinstance(board, ZynqBoard)]
HIDDEN = {"tfc": 64, "sfc": 256, "lfc": 1024}
DOCS = Path(__file__).parents[2] / "docs" / "reference" / "vivado.md"


def mlp(name: str) -> Dataflow:
    """Three hidden layers and ten classes behind 784 bits; thresholds lie around the middle."""
    random, hidden = np.random.default_rng(0), HIDDEN[name]
    layers = [
        XnorMvu(
            name=f"mvu{index}",
            weights=random.integers(0, 2, (rows, columns), dtype=np.uint8),
            thresholds=random.binomial(columns, 0.5, rows).astype(np.int32) if rows > 10 else None,
            invert=random.random(rows) < 0.3 if rows > 10 else None,
        )
        for index, (columns, rows) in enumerate(
            [(784, hidden), (hidden, hidden), (hidden, hidden), (hidden, 10)]
        )
    ]
    values = np.tile(np.arange(-hidden, hidden + 1, 2, dtype=np.float32), (10, 1))
    return Dataflow(
        name=name,
        input=identity_encoding(784),
        nodes=tuple(layers),
        output=OutputTable(values=values, classes=False, low=-hidden),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Dataflows of the named networks, by name."""
    folder = tmp_path_factory.mktemp("networks")
    for name in (*HIDDEN, "cnv"):
        (folder / name).mkdir()
        (cnv(folder) if name == "cnv" else mlp(name)).save(folder / name)
    return folder


@pytest.mark.parametrize("network", ["tfc", "sfc", "lfc", "cnv"])
def test_named_networks_fit_every_board_at_its_target(
    network: str, folder: Path, tmp_path: Path
) -> None:
    targets = {board.target_fps[network] for board in BOARDS if network in board.target_fps}
    for index, fps in enumerate(targets):
        config = RtlConfig(target_fps=fps)
        design = Design.load(emit(folder / network, config, tmp_path / str(index)).folder)
        assert design.interval_cycles <= 100e6 / fps
        for board in BOARDS:
            if board.target_fps.get(network) == fps:
                nothing = dict.fromkeys(board.totals, 0)
                predicted = board.family.predict(design)
                assert board.family.fits(board, {**nothing, **predicted}), board.name
    assert {board.default_clock_mhz for board in BOARDS} == {100.0}


def test_docs_name_every_boards_targets() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \| (\d+) \|", DOCS.read_text(), re.MULTILINE)
    documented = {(board, network, int(fps)) for board, network, fps in rows}
    assert documented == {
        (board.name, network, fps) for board in BOARDS for network, fps in board.target_fps.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("board", "network"), [("pynq-z1", "tfc"), ("pynq-z1", "lfc"), ("aup-zu3", "sfc")]
)
def test_prediction_is_an_upper_bound_of_yosys(
    board: str, network: str, folder: Path, tmp_path: Path
) -> None:
    fps = next(b.target_fps[network] for b in BOARDS if b.name == board)
    rtl = emit(folder / network, RtlConfig(target_fps=fps), tmp_path / "rtl").folder
    config = SynthesisConfig(board=board, vivado=False)
    facts = synthesise(rtl, config, tmp_path / "synth").facts
    assert facts.fits, facts.resources
    for kind in ("lut", "bram36"):
        use = facts.resources[kind]
        assert 0.5 * use.predicted < use.used <= use.predicted
