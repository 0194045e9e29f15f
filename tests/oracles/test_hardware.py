"""The hardware of networks is, byte for byte, what is on record.

    pytest tests/oracles            # seeded networks that hold every kernel, and one of the zoo
    pytest tests/oracles -m ""      # every network of the zoo, and what kernels cost: minutes

`hardware.json` holds the beginning of the sha256 of every file and array, by network.
"""

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bnnedge.arrays import read_npz
from bnnedge.design import DESIGN_FILE, TOP_MODULE, Design
from bnnedge.equality import stimuli
from bnnedge.hardware import RtlConfig, kernels
from bnnedge.hardware.folding import FOLDING_FILE
from bnnedge.vitis_hls import HlsConfig
from bnnedge.vitis_hls import emit as emit_hls
from tests.oracles.forms import EVERY_FORM, forms_of
from tests.oracles.networks import SEEDED, ZOO, emitted, zoo_dataflow

GOLDEN = Path(__file__).parent / "hardware.json"
_QUICK = "tfc_mnist"
_HLS_TEXTS = (f"{TOP_MODULE}.hpp", f"{TOP_MODULE}.cpp", "memories.hpp", "run_hls.tcl")


def _design_without_names(rtl: Path) -> bytes:
    """`design.json` but for its version, its sources and what modules are called."""
    record = json.loads((rtl / DESIGN_FILE).read_text())
    for key in ("version", "sources"):
        del record[key]
    for kernel in record["kernels"]:
        del kernel["module"]
    for layer in record["layers"]:
        del layer["kernel"]
    return json.dumps(record, sort_keys=True).encode()


def _hashes(rtl: Path, folder: Path) -> Mapping[str, str]:
    design = Design.load(rtl)
    generated = [
        name for name in design.sources if not (kernels.SV_FOLDER / Path(name).name).is_file()
    ]
    names = (*generated, *design.memories, FOLDING_FILE, "dataflow/dataflow.json")
    contents = {name: (rtl / name).read_bytes() for name in names}
    contents[DESIGN_FILE] = _design_without_names(rtl)
    for name, array in read_npz(rtl / "dataflow" / "weights.npz").items():
        contents[f"array {name}"] = f"{array.dtype.str} {array.shape} ".encode() + array.tobytes()
    hls = emit_hls(
        rtl,
        HlsConfig(),
        folder / "hls",
        vectors=functools.partial(stimuli, count=1, seed=0),
    ).folder
    contents |= {f"hls/{name}": (hls / name).read_bytes() for name in _HLS_TEXTS}
    return {name: hashlib.sha256(text).hexdigest()[:16] for name, text in contents.items()}


def _check(name: str, rtl: Path, folder: Path, request: pytest.FixtureRequest) -> None:
    found = _hashes(rtl, folder)
    records: dict[str, Any] = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if request.config.getoption("--refresh-golden"):
        records[name] = found
        text = json.dumps(records, indent=0, sort_keys=True)
        GOLDEN.write_text(text + "\n")
    wanted = records[name]
    different = [what for what in sorted(found | wanted) if found.get(what) != wanted.get(what)]
    assert not different, f"{name}: --refresh-golden records what is there now"


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """RTL folders of all seeded networks."""
    folders = {}
    for name, (dataflow, how) in SEEDED.items():
        folders[name] = emitted(dataflow(), how, tmp_path_factory.mktemp(name))
    return folders


def _modules(kind: type[Any]) -> set[str]:
    """Of all kernels below a class."""
    own = {kind.module} if hasattr(kind, "module") else set()
    return own.union(*map(_modules, kind.__subclasses__()))


def test_every_network_is_on_record_and_no_other() -> None:
    assert json.loads(GOLDEN.read_text()).keys() == {*SEEDED, *ZOO}


def test_seeded_networks_hold_every_kernel_in_every_form(seeded: Mapping[str, Path]) -> None:
    designs = [Design.load(rtl) for rtl in seeded.values()]
    found = {
        k.module
        for d in designs
        for k in d.kernels
        if (kernels.SV_FOLDER / f"{k.module}.sv").is_file()
    }
    found |= {layer.kernel for d in designs for layer in d.layers} - {"wires"}
    assert found == _modules(kernels.Kernel)
    assert set().union(*map(forms_of, designs)) == EVERY_FORM


@pytest.mark.parametrize("name", SEEDED)
def test_hardware_of_a_seeded_network_is_as_recorded(
    name: str, seeded: Mapping[str, Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    _check(name, seeded[name], tmp_path, request)


@pytest.mark.parametrize(
    "name", [n if n == _QUICK else pytest.param(n, marks=pytest.mark.slow) for n in ZOO]
)
def test_hardware_of_a_zoo_network_is_as_recorded(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rtl = emitted(zoo_dataflow(name, tmp_path), RtlConfig(), tmp_path)
    _check(name, rtl, tmp_path, request)
