"""Is an RTL folder what bnnedge writes for the Dataflow in it? Only then it is compiled here.

SystemVerilog can run programs on the machine that simulates it, and what a memory file holds is
what is computed. So nothing of a folder is believed but Dataflow, folding and FIFO depths, which
are data and are verified; everything else is written again from them and compared.
"""

import contextlib
import json
import shutil
from collections.abc import Collection, Iterator, Set
from dataclasses import dataclass
from pathlib import Path

import bnnedge
from bnnedge.artifacts import RECORD, check_input, folder_hashes
from bnnedge.dataflow import Dataflow
from bnnedge.design import DESIGN_FILE, Design
from bnnedge.errors import ArtifactError, DesignError, named
from bnnedge.files import load_json
from bnnedge.hardware.emit import DATAFLOW_FOLDER, copy_dataflow, read_choices, write_rtl
from bnnedge.hardware.folding import FOLDING_FILE
from bnnedge.names import inner_file, shown
from bnnedge.options import option
from bnnedge.scratch import scratch


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Whether what an RTL folder holds is taken as it is, see `own_copy`."""

    trust: bool = option(
        False,
        help="Take SystemVerilog and memory files as they are, also where bnnedge writes others.",
    )


@contextlib.contextmanager
def own_copy(rtl: Path, *, trust: bool = False, dataflow: Path | None = None) -> Iterator[Path]:
    """A private copy of an RTL folder, as long as the `with` statement lasts.

    It holds what the folder's own files name and nothing else, so what lies beside them, or is
    changed meanwhile, does not matter. Its `artifact.json` remembers what somebody had edited.

    Args:
        rtl: folder written by `emit`.
        trust: take SystemVerilog and memory files as they are, because they were edited on
            purpose. Without, they must be what is written anew, as `design.json` always must.
        dataflow: where the Dataflow is, if not in `rtl`.

    Raises:
        ArtifactError: a file was changed since bnnedge wrote it, and that is not permitted.
        DesignError: a file is not what bnnedge writes for the Dataflow, or not what this version
            of it does, is missing, or leads out of the folder; or the folder is damaged otherwise.
        DataflowError, FoldingError: the Dataflow or the folding is damaged.
    """
    ours = (rtl / RECORD).is_file()
    edited = check_input(rtl).edited if ours else ()
    Design.load(rtl)  # what is wrong with it in itself is said first
    dataflow = rtl / DATAFLOW_FOLDER if dataflow is None else dataflow
    with scratch() as work:
        copy = work / (rtl.resolve().name or "rtl")
        copy.mkdir()
        _write_again(rtl, dataflow, copy)
        design = Design.load(copy)
        trusted = {*design.sources, *design.memories} if trust else set()
        _compare(rtl, dataflow, copy, trusted, edited)
        for name in trusted:
            shutil.copyfile(inner_file(rtl, name, raises=DesignError), copy / name)
        if ours:
            record = load_json(rtl / RECORD, raises=ArtifactError)
            record |= {"files": folder_hashes(copy), "edited": edited}
            (copy / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        yield copy


def _write_again(rtl: Path, dataflow: Path, copy: Path) -> None:
    """Write `copy` from the Dataflow, folding and FIFO depths of `rtl`."""
    own = copy / DATAFLOW_FOLDER
    Dataflow.load(dataflow)  # what is wrong is said of the folder that the user knows
    copy_dataflow(dataflow, own)
    graph = Dataflow.load(own)
    if not (rtl / FOLDING_FILE).is_file():
        raise DesignError(
            f"{rtl / FOLDING_FILE} is missing, so the SystemVerilog beside it cannot be verified",
            remedy="make the folder again",
        )
    write_rtl(graph, *read_choices(rtl, graph), copy)


def _compare(rtl: Path, dataflow: Path, copy: Path, but: Set[str], edited: Collection[str]) -> None:
    """Raises DesignError if a file of `copy`, but those, is another one in `rtl`.

    Where nobody edited it, the version that wrote it is the cause, if it is another one.
    """
    for written in sorted(path for path in copy.rglob("*") if path.is_file()):
        name = written.relative_to(copy).as_posix()
        if name in but or name.startswith(f"{DATAFLOW_FOLDER}/"):  # the latter are a copy already
            continue
        found = rtl / name
        if not found.is_file() or not _equal(found, written):
            version = _written_by(rtl)
            if version != bnnedge.__version__ and f"{rtl.name}/{name}" not in edited:
                raise DesignError(
                    f"{rtl} was written by bnnedge {shown(version)}, this is {bnnedge.__version__},"
                    f" which writes another {name}",
                    remedy="run bnnedge rtl again",
                )
            trust = f", or give {named('trust', True)} if the change is yours"
            trusting = "" if name == DESIGN_FILE else trust
            raise DesignError(
                f"{found} is not what bnnedge writes for the Dataflow in {dataflow}",
                remedy=f"run bnnedge rtl again{trusting}",
            )


def _written_by(rtl: Path) -> str:
    """The version of bnnedge that an RTL folder's record names; this one where there is none."""
    if not (rtl / RECORD).is_file():
        return bnnedge.__version__
    version = load_json(rtl / RECORD, raises=ArtifactError).get("bnnedge", bnnedge.__version__)
    return str(version)


def _equal(found: Path, written: Path) -> bool:
    return (
        found.stat().st_size == written.stat().st_size
        and found.read_bytes() == written.read_bytes()
    )
