"""What `bnnedge simulate` does by default finds single faults in the kernels' handshakes."""

import json
import shutil
from pathlib import Path

import pytest

from bnnedge.dataflow import Dataflow
from bnnedge.errors import BnnEdgeError
from bnnedge.hardware import RtlConfig, emit
from bnnedge.hardware.kernels import SV_FOLDER
from bnnedge.simulation import SimulationConfig, check
from tests.networks import random_conv, random_mlp, random_residual
from tests.networks.branches import random_branches
from tests.simulation.mutants import EQUIVALENT, MUTANTS, SAMPLE, Mutant


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """RTL folders of small networks by the names that mutants give."""
    root = tmp_path_factory.mktemp("networks")

    def mlp(widths: tuple[int, ...], folds: tuple[tuple[int, int], ...]) -> tuple[Dataflow, Path]:
        record = {f"mvu{i}": {"PE": pe, "SIMD": simd} for i, (pe, simd) in enumerate(folds)}
        path = root / f"{widths[0]}.json"
        path.write_text(json.dumps(record))
        return random_mlp(widths, seed=5, classes=True), path

    small, small_folding = mlp((20, 12, 6, 3), ((4, 5), (3, 4), (1, 3)))
    # Its input is two words, weights are in block RAM, and a stream is widened.
    wide, wide_folding = mlp((40, 12, 6, 3), ((2, 5), (3, 4), (1, 3)))
    plans = {
        "mlp": (small, RtlConfig(folding=small_folding)),
        "wide": (wide, RtlConfig(folding=wide_folding)),
        "conv": (random_conv(), RtlConfig(target_fps=1e5)),
        "residual": (random_residual(), RtlConfig(target_fps=1e5)),
        "branches": (random_branches(4), RtlConfig()),
    }
    folders = {}
    for name, (dataflow, config) in plans.items():
        (root / name / "dataflow").mkdir(parents=True)
        dataflow.save(root / name / "dataflow")
        folders[name] = emit(root / name / "dataflow", config, root / name / "rtl").folder
    return folders


def survives(mutant: Mutant, networks: dict[str, Path], folder: Path, cache: Path) -> bool:
    """Whether the default check finds nothing."""
    altered = Path(shutil.copytree(networks[mutant.network], folder / "altered"))
    module = altered / "sv" / f"{mutant.module}.sv"
    module.write_text(mutant.applied(module.read_text()))
    try:
        check(altered, SimulationConfig(), cache=cache)
    except BnnEdgeError:
        return False
    return True


def test_every_fault_is_one_edit_of_a_shipped_module() -> None:
    assert len(SAMPLE) == 2
    assert (
        len({(mutant.module, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS) >= 30
    )
    for mutant in (*MUTANTS, *EQUIVALENT):
        text = (SV_FOLDER / f"{mutant.module}.sv").read_text()
        assert mutant.applied(text) != text


# Stalls at both ends, the only ones there once were, see neither.
@pytest.mark.parametrize("mutant", SAMPLE, ids=str)
def test_a_fault_that_only_inner_stalls_show_is_found(
    mutant: Mutant, networks: dict[str, Path], tmp_path: Path, cache: Path
) -> None:
    assert not survives(mutant, networks, tmp_path, cache)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_every_fault_is_found(
    mutant: Mutant, networks: dict[str, Path], tmp_path: Path, cache: Path
) -> None:
    assert not survives(mutant, networks, tmp_path, cache)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", EQUIVALENT, ids=str)
def test_what_changes_no_result_is_let_pass(
    mutant: Mutant, networks: dict[str, Path], tmp_path: Path, cache: Path
) -> None:
    assert survives(mutant, networks, tmp_path, cache)
