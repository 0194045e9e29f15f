"""Unrolled layers in ECP5's own cells compute what their nodes do."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnedge import tools
from bnnedge.dataflow import BIPOLAR, Stream
from bnnedge.families.ecp5 import Ecp5
from bnnedge.hardware.kernels import SV_FOLDER, LutLayerKernel, UnrolledKernel
from bnnedge.verilated.drive import Drive
from bnnedge.verilated.ports import StreamPorts
from bnnedge.verilated.stream import StreamModel
from tests.hardware.bench import beats_of, elements_of
from tests.hardware.test_mvu import adversarial_mvu
from tests.hardware.test_unrolled import inputs_of, unrolled
from tests.networks.luts import random_luts

_FAMILY = Ecp5()


def netlist_of(kernel: UnrolledKernel, folder: Path) -> str:
    """A kernel's module, mapped, as Verilog."""
    (folder / "kernel.sv").write_text(kernel.text("kernel"))
    own = ("fixed_latency", "luts", "adders")
    for module in own:
        (folder / f"{module}.sv").write_text((SV_FOLDER / f"{module}.sv").read_text())
    _FAMILY.write_overrides(folder)
    script = (
        f"read_verilog -sv -defer -DSYNTHESIS kernel.sv {' '.join(f'{m}.sv' for m in own)}",
        *_FAMILY.override_commands(),
        *_FAMILY.synthesis_commands("kernel"),
        "write_verilog -noattr netlist.v",
    )
    (folder / "synth.ys").write_text("\n".join(script) + "\n")
    log = folder / "yosys.log"
    tools.run([tools.find("yosys"), "-q", "-s", "synth.ys"], cwd=folder, log=log, timeout_s=300)
    return (folder / "netlist.v").read_text()


def run(
    kernel: UnrolledKernel, netlist: str, bits: NDArray[np.uint8], folder: Path, cache: Path
) -> NDArray[np.uint8]:
    (folder / "changed.v").write_text(netlist)
    model = StreamModel(
        sources=_FAMILY.netlist_sources(folder / "changed.v"),
        top="kernel",
        ports=StreamPorts.kernel(inputs={"in": kernel.in_bits}, outputs={"out": kernel.out_bits}),
        defines={"NO_INCLUDES": "1"},
        cache=cache,
    )
    result = model.run([beats_of(bits.astype(np.int64), 1)], [len(bits)], Drive(), seed=1)
    return elements_of(result.received[0].beats, kernel.out_bits, 1).astype(np.uint8)


@pytest.mark.parametrize(("mh", "mw", "groups"), [(12, 40, 1), (3, 25, 3)])
def test_matrices_in_carry_cells(
    mh: int, mw: int, groups: int, tmp_path: Path, cache: Path
) -> None:
    node = adversarial_mvu(mh, mw, thresholded=True, groups=groups, seed=3)
    kernel, bits = unrolled(node), inputs_of(node, 300)
    netlist = netlist_of(kernel, tmp_path)
    assert (run(kernel, netlist, bits, tmp_path, cache) == node.run(bits)).all()
    *_, last = re.finditer(r"\.INIT0\(16'h(\w{4})\)", netlist)
    table = f"{0xFFFF ^ int(last[1], 16):04x}"
    changed = netlist[: last.start(1)] + table + netlist[last.end(1) :]
    assert (run(kernel, changed, bits, tmp_path, cache) != node.run(bits)).any()


@pytest.mark.parametrize("seed", range(2))
def test_tables_in_lookup_tables(seed: int, tmp_path: Path, cache: Path) -> None:
    rng = np.random.default_rng(seed)
    node = random_luts(rng, "lut", 30, 40)
    stream = Stream(shape=(30,), element=BIPOLAR)
    kernel = LutLayerKernel.of(node, (stream,), LutLayerKernel.folds(node, (stream,))[0])
    bits = rng.integers(0, 2, (300, 30), dtype=np.uint8)
    assert (
        run(kernel, netlist_of(kernel, tmp_path), bits, tmp_path, cache) == node.run(bits)
    ).all()
