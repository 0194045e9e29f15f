"""ecppack: the routed design as a bitstream."""

from pathlib import Path

from bnnedge import tools
from bnnedge.synthesis.nextpnr import ROUTED


def ecppack_arguments(bitstream: str) -> list[str]:
    """Arguments for one run, all paths relative to its folder; compressed, it loads faster."""
    return ["--compress", "--input", ROUTED, "--bit", bitstream]


def run_ecppack(bitstream: str, *, cwd: Path, log: Path, timeout_s: float) -> None:
    """Write `bitstream` in `cwd`.

    Raises:
        ToolMissingError: ecppack is not installed.
        ToolFailedError: it failed.
    """
    tools.run(
        [tools.find("ecppack"), *ecppack_arguments(bitstream)],
        cwd=cwd,
        log=log,
        timeout_s=timeout_s,
    )
