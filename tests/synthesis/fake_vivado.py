"""A program called `vivado`: it runs the Tcl on the model and leaves reports like Vivado's."""

import sys
import time
from pathlib import Path

from tests.synthesis.vivado_ips import VivadoError
from tests.synthesis.vivado_model import VivadoModel

_ROOT = Path(__file__).parents[2]
TIMING = """\
| Design       : bnnedge_wrapper
------------------------------------------------------------------------------------------------
| Design Timing Summary
| ---------------------
------------------------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)
    -------      -------  ---------------------  -------------------      -------      -------
      0.412        0.000                      0                20485        0.021        0.000

All user specified timing constraints are met.
"""
UTILIZATION = """\
1. Slice Logic
+----------------------------+-------+-------+------------+-----------+-------+
|          Site Type         |  Used | Fixed | Prohibited | Available | Util% |
+----------------------------+-------+-------+------------+-----------+-------+
| Slice LUTs                 |  5358 |     0 |          0 |     53200 | 10.07 |
|   LUT as Logic             |  4927 |     0 |          0 |     53200 |  9.26 |
| Slice Registers            |  7001 |     0 |          0 |    106400 |  6.58 |
+----------------------------+-------+-------+------------+-----------+-------+
2. Slice Logic Distribution
| Slice                      |  2112 |     0 |          0 |     13300 | 15.88 |
3. Memory
| Block RAM Tile             |   3.5 |     0 |          0 |       140 |  2.50 |
4. DSP
| DSPs                       |     0 |     0 |          0 |       220 |  0.00 |
8. Primitives
+----------+------+---------------------+
| Ref Name | Used | Functional Category |
+----------+------+---------------------+
| FDRE     | 6834 |        Flop & Latch |
| CARRY4   |  231 |          CarryLogic |
+----------+------+---------------------+
"""
"""As far as they are read; the table of primitives is the only one that has CARRY4."""
ULTRASCALE_UTILIZATION = """\
| CLB LUTs*                  |  6011 |     0 |          0 |     70560 |  8.52 |
| CLB Registers              |  8003 |     0 |          0 |    141120 |  5.67 |
| CARRY8                     |   120 |     0 |          0 |      8820 |  1.36 |
| Block RAM Tile             |     4 |     0 |          0 |       216 |  1.85 |
| DSPs                       |     1 |     0 |          0 |       360 |  0.28 |
"""


def install(folder: Path, mode: str, version: str = "Vivado v2022.2 (64-bit)") -> None:
    """Write `vivado` into `folder`; `mode` is what `main` does."""
    folder.mkdir(exist_ok=True)
    program = folder / "vivado"
    program.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"if sys.argv[1:] == ['-version']:\n    print({version!r})\n    sys.exit()\n"
        f"sys.path.insert(0, {str(_ROOT)!r})\n"
        f"from tests.synthesis.fake_vivado import main\nmain({mode!r})\n"
    )
    program.chmod(0o755)


def main(mode: str) -> None:
    """Run build.tcl of the folder that we are in, as one of test_vivado_run's cases asks for."""
    print("\n****** Vivado v2022.2 (64-bit)\nsource build.tcl -notrace", flush=True)
    model = VivadoModel(wns="-0.412" if mode == "timing" else "0.412")
    if mode == "slow":
        print("bnnedge: package IP", flush=True)
        time.sleep(600)
    if mode == "error":
        log = Path("project/project.runs/synth_1/runme.log")
        log.parent.mkdir(parents=True)
        log.write_text(
            "INFO: [Synth 8-6157] synthesizing module 'bnnedge_axi'\n"
            "CRITICAL WARNING: [Synth 8-9873] overwriting previous definition\n"
            "ERROR: [Synth 8-439] module 'xnor_mvu' not found\n"
            "ERROR: [Synth 8-6156] failed synthesizing module 'bnnedge_core'\n"
        )
        print("synth_1 stopped: synth_design ERROR")
        sys.exit(1)
    try:
        model.run(Path("build.tcl").resolve())
    except VivadoError as error:
        print(error)
        sys.exit(1)
    finally:
        print("\n".join(model.printed), flush=True)
    if mode == "critical":
        print("CRITICAL WARNING: [BD 41-1356] segment is not assigned")
    output = Path("output")
    seven = "xc7z" in Path("settings.tcl").read_text()
    (output / "timing.rpt").write_text(TIMING)
    (output / "utilization.rpt").write_text(UTILIZATION if seven else ULTRASCALE_UTILIZATION)
    if mode == "silent":
        (output / "timing.rpt").unlink()
