"""A program called `vivado`: it runs the Tcl on the model and leaves reports like Vivado's."""

import sys
import time
from pathlib import Path

from tests.synthesis.vivado_design import CRITICAL, Message
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

------------------------------------------------------------------------------------------------
| Clock Summary
| -------------
------------------------------------------------------------------------------------------------

Clock       Waveform(ns)       Period(ns)      Frequency(MHz)
-----       ------------       ----------      --------------
clk_fpga_0  {0.000 5.000}      10.000          100.000         

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


def _critical(id_: str, text: str) -> Message:
    return Message(severity=CRITICAL, id=id_, text=text)


HARMLESS = (
    *(
        _critical(
            f"PSU-{lane + 1}",
            f"Parameter : PCW_UIPARAM_DDR_DQS_TO_CLK_DELAY_{lane} has negative value {skew} . PS"
            " DDR interfaces might fail when entering negative DQS skew values. ",
        )
        for lane, skew in enumerate(("-0.050", "-0.044", "-0.035", "-0.100"))
    ),
    _critical(
        "BD 41-1348",
        "Reset pin /counter_0/rst (associated clock /counter_0/clk) is connected to asynchronous"
        " reset source /reset_rtl. This may prevent design from meeting timing.",
    ),
    _critical(
        "BD 41-1629",
        "</zynq_ultra_ps_e_0/SAXIGP0/HPC0_LPS_OCM> is excluded from all addressable master spaces.",
    ),
    _critical(
        "BD 41-759",
        "The input pins (listed below) are either not connected or do not have a source port, and"
        " they don't have a tie-off specified. These pins are tied-off to all 0's to avoid error in"
        " Implementation flow.\nPlease check your design and connect them as needed: "
        "\n/axi_intc_0/intr",
    ),
)
"""What designs that worked on boards were warned of, in public logs."""
FATAL = {
    "BD 41-737": "Cannot set the parameter C_EXT_RESET_HIGH on /rst_200m. It is read-only.",
    "BD 41-1276": "Cannot set the parameter USE_CAP_CLKBUF on /tidelink_0. Parameter does not"
    " exist",
    "BD 41-1356": "Slave segment </axi_gpio_led/S_AXI/Reg> is not assigned into address space"
    " </processing_system7_0/Data>.",
    "Synth 8-4445": "could not open $readmem data file 'glb_init.hex'; please make sure the file is"
    " added to project and has read permission, ignoring",
}
"""What designs that did not were warned of, likewise."""


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
    model = VivadoModel(
        wns="-0.412" if mode == "timing" else "0.412",
        warns=HARMLESS if mode == "harmless" else (),
        arguments=sys.argv[sys.argv.index("-tclargs") + 1 :] if "-tclargs" in sys.argv else (),
    )
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
    if mode in FATAL:
        line = str(_critical(mode, FATAL[mode]))
        run = Path("project/project.runs/bnnedge_bnnedge_0_0_synth_1/runme.log")
        if mode.startswith("Synth"):
            run.write_text(f"{run.read_text()}{line}\n")
        else:
            print(line)
    output = Path("output")
    if not output.exists():
        return
    seven = "xc7z" in Path("settings.tcl").read_text()
    (output / "timing.rpt").write_text(TIMING)
    (output / "utilization.rpt").write_text(UTILIZATION if seven else ULTRASCALE_UTILIZATION)
    if mode == "silent":
        (output / "timing.rpt").unlink()
