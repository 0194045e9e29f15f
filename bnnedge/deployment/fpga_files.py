"""What a package for an FPGA that stands alone holds besides the network: bitstream and README."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from bnnedge.design import Design
from bnnedge.errors import DeploymentError
from bnnedge.families import BITSTREAM_SUFFIXES
from bnnedge.links import Device
from bnnedge.names import inner_file


def find(synth: Path) -> tuple[Path, ...]:
    """The bitstream of a synthesis folder.

    Raises:
        DeploymentError: there is none, or more than one.
    """
    found = sorted(path for path in synth.glob("*") if path.suffix in BITSTREAM_SUFFIXES)
    if len(found) != 1:
        suffixes = ", *".join(sorted(BITSTREAM_SUFFIXES))
        raise DeploymentError(
            f"{synth}: wanted one bitstream (*{suffixes}), got {len(found)}",
            remedy="run bnnedge synth for a board that it makes bitstreams for",
        )
    return (inner_file(synth, found[0].name, raises=DeploymentError),)


def write(
    folder: Path, runtime: Path, design: Design, device: Device, bitstreams: Sequence[Path]
) -> str:
    """Write into a package; returns where the bitstream is, relative to it."""
    (bitstream,) = bitstreams
    shutil.copyfile(bitstream, folder / bitstream.name)
    text = device.readme(design.name, bitstream.name)
    (folder / "README.txt").write_text(text, encoding="utf-8")
    return bitstream.name
