"""What a package for a PYNQ board holds besides the network: drivers, notebook, wheel, README."""

import base64
import hashlib
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import bnnedge
from bnnedge.design import Design
from bnnedge.errors import DeploymentError
from bnnedge.links import Device
from bnnedge.names import check_inside

VIVADO_OUTPUT = Path("vivado", "output")
"""Where the project in a synthesis folder leaves .bit and .hwh."""
NOTEBOOK = "classify.ipynb"
_BIT_FOLDER = "bitfile"
_DRIVER_FOLDER = "driver"
_TEMPLATES = Path(__file__).parent / "templates"
_WHEEL_DATE = (1980, 1, 1, 0, 0, 0)  # equal contents are equal files


def find(synth: Path) -> tuple[Path, ...]:
    """Bitstream and hardware handoff of a synthesis folder, or nothing where Vivado did not run.

    Raises:
        DeploymentError: there is more than one bitstream, or one without its handoff.
    """
    found = sorted(
        path for folder in (synth, synth / VIVADO_OUTPUT) for path in folder.glob("*.bit")
    )
    if len(found) > 1:
        raise DeploymentError(
            f"{synth}: wanted one bitstream (*.bit), got {len(found)}",
            remedy="run bnnedge synth for a board that it makes bitstreams for",
        )
    if not found:
        return ()
    handoff = found[0].with_suffix(".hwh")
    if not handoff.is_file():
        raise DeploymentError(
            f"{handoff} is missing: PYNQ needs the hardware handoff beside the bitstream",
            remedy="take both from Vivado, with one name",
        )
    for path in (found[0], handoff):
        check_inside(synth, path, raises=DeploymentError)
    return found[0], handoff


def write(
    folder: Path, runtime: Path, design: Design, device: Device, bitstreams: Sequence[Path]
) -> str:
    """Write into a package.

    Args:
        folder: the package.
        runtime: folder of the driver's sources.
        design: the network.
        device: around it.
        bitstreams: .bit and .hwh, or nothing where Vivado has not run.

    Returns:
        Where the bitstream is or will be, relative to the package.
    """
    bitstream = f"{_BIT_FOLDER}/{design.name}.bit"
    (folder / _BIT_FOLDER).mkdir()
    for path in bitstreams:
        shutil.copyfile(path, (folder / bitstream).with_suffix(path.suffix))
    if not bitstreams:
        (folder / _BIT_FOLDER / "README.txt").write_text(
            _MISSING.format(name=design.name), encoding="utf-8"
        )
    (folder / _DRIVER_FOLDER).mkdir()
    for name in ("driver", "validate"):
        (folder / _DRIVER_FOLDER / f"{name}.py").write_text(
            _SCRIPT.format(name=name), encoding="utf-8"
        )
    shutil.copyfile(_TEMPLATES / NOTEBOOK, folder / NOTEBOOK)
    wheel = _write_wheel(folder, runtime)
    text = _README.format(
        network=design.name,
        board=device.board,
        id_word=design.id_word,
        clock_mhz=device.clock_hz / 1e6,
        bitstream=bitstream if bitstreams else f"{bitstream}, still missing: see {_BIT_FOLDER}/",
        wheel=wheel,
        notebook=NOTEBOOK,
    )
    (folder / "README.txt").write_text(text, encoding="utf-8")
    return bitstream


def _write_wheel(folder: Path, runtime: Path) -> str:
    """The driver as a wheel (PEP 427); returns its name."""
    name = "bnnedge_runtime"
    info = f"{name}-{bnnedge.__version__}.dist-info"
    files = {f"{name}/{path.name}": path.read_bytes() for path in sorted(runtime.glob("*.py"))}
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {bnnedge.__version__}\n"
        "Summary: Driver of bnnedge networks on boards\nLicense: Apache-2.0\n"
        "Requires-Python: >=3.8\nRequires-Dist: numpy\n"
    ).encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: bnnedge\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = f"{info}/RECORD"
    lines = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in files.items()]
    files[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    wheel = f"{name}-{bnnedge.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(folder / wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, _WHEEL_DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return wheel


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


_SCRIPT = '''\
"""`python driver/{name}.py --help`, on the board; needs PYNQ's own Python, usually as root."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bnnedge_runtime.{name} import main  # noqa: E402

sys.exit(main())
'''

_MISSING = """\
Vivado has not run when this package was made. Run the project in the vivado/ folder of the
synthesis where Vivado is installed, bring its output/{name}.bit and output/{name}.hwh back into
that folder, and run `bnnedge package` again: manifest.json then has their sha256, without which
the driver loads nothing. Or copy them to the board, vouch for them yourself and name them:
`--bitfile {name}.bit`, or `load(..., bitfile="{name}.bit")`. The driver compares the bitstream's
ID with manifest.json in either case.
"""

_README = """\
{network} for {board}, id {id_word:#010x}, {clock_mhz:g} MHz

On the board, in this folder. Bitstream: {bitstream}.
Not run here: no board was connected when this package was made.
Without a board, `bnnedge deploy PACKAGE --simulate` runs the same driver against a simulation of
the same device.

1. Copy this folder to the board, e.g. to /home/xilinx/jupyter_notebooks.
2. As root, in PYNQ's Python (`sudo -i`; it has numpy and pynq):
       python driver/validate.py
   runs the examples in example/ and compares with the expected results.
3. python driver/driver.py --exec_mode execute --inputfile example/inputs.npy
   python driver/driver.py --exec_mode throughput_test --batchsize 1000
4. In Jupyter, open {notebook}.
5. In your own programs, in this folder or after `python -m pip install --no-deps {wheel}`:
       import bnnedge_runtime
       with bnnedge_runtime.load("this folder") as accelerator:
           results = accelerator.execute(batch)
           print(accelerator.names(results))  # the class of each image
"""
