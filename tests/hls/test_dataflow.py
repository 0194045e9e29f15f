"""The generated top with all its kernels at once, between streams of the depths that it names."""

import json
import re
import shutil
from pathlib import Path

import pytest

from bnnedge import tools, verbs
from bnnedge.errors import ToolFailedError
from bnnedge.vitis_hls.csim import STANDARD
from tests.hardware.test_networks_with_branches import emitted
from tests.hls.bench import needs_ap_types
from tests.networks.branches import one_residual, random_branches

pytestmark = needs_ap_types
_BOUNDED = Path(__file__).parent / "bounded"
_EARLY = "4_sum_b_fifo"  # holds what the window of the other branch waits for


def run_at_once(rtl: Path, folder: Path, *, images: int) -> None:
    """Every call in a thread; results must be the expected ones."""
    verbs.hls(rtl, folder / "hls", images=images)
    work = Path(shutil.copytree(folder / "hls", folder / "at_once"))
    core = (work / "bnnedge_core.cpp").read_text()
    core, depths = re.subn(
        r'\("(\w+)"\);\n#pragma HLS STREAM variable=\1 depth=(\d+)', r'("\1", \2);', core
    )
    core, calls = re.subn(r"(?s)  bnnedge::.*?\);\n", r"  [&] {\n\g<0>  },\n", core)
    assert depths and calls
    head, body = core.split("  [&] {", 1)
    body = body.rsplit("}", 1)[0]
    text = f"{head}  hls::run({{\n  [&] {{{body}  }});\n}}\n"
    (work / "bnnedge_core.cpp").write_text(re.sub(r"  // \w+\n", "", text))
    argv = [tools.find("g++"), f"-std={STANDARD}", "-O1", "-w", "-pthread", "-I", _BOUNDED]
    argv += ["-I", "include", "-isystem", tools.ap_types(), "bnnedge_core.cpp", "test_bench.cpp"]
    tools.run([*argv, "-o", "bench"], cwd=work, log=work / "compile.log", timeout_s=300)
    vectors = ["inputs.bin", "outputs.bin", "expected.bin"]
    tools.run([work / "bench", *vectors], cwd=work, log=work / "run.log", timeout_s=300)


def test_the_depths_of_the_hardware_let_everything_move(tmp_path: Path) -> None:
    rtl = emitted(one_residual(12), 0, tmp_path)
    run_at_once(rtl, tmp_path, images=4)


def test_a_stream_that_is_too_short_is_a_deadlock(tmp_path: Path) -> None:
    """As in the hardware: the early branch must wait for the window of the late one."""
    (tmp_path / "fifos.json").write_text(json.dumps({_EARLY: 2}))
    draft = emitted(one_residual(12), 0, tmp_path)
    rtl = verbs.rtl(
        draft / "dataflow",
        tmp_path / "short",
        folding=draft / "folding.json",
        fifo_depths=tmp_path / "fifos.json",
    ).folder
    with pytest.raises(ToolFailedError, match="bench failed with status 3: error: deadlock"):
        run_at_once(rtl, tmp_path, images=4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_many_networks_with_branches_move(seed: int, tmp_path: Path) -> None:
    rtl = emitted(random_branches(seed), seed, tmp_path)
    run_at_once(rtl, tmp_path, images=4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [5, 7, 0, 1, 2, 6])
def test_depths_that_were_sized_for_the_rate_let_everything_move(seed: int, tmp_path: Path) -> None:
    rtl = emitted(random_branches(seed), seed, tmp_path)
    verbs.fifos(rtl, tmp_path / "fifos")
    sized = verbs.rtl(
        rtl / "dataflow",
        tmp_path / "sized",
        folding=rtl / "folding.json",
        fifo_depths=tmp_path / "fifos" / "fifos.json",
    ).folder
    run_at_once(sized, tmp_path, images=6)
