"""Reading a model file: every way in which it can be broken is one line that names it."""

import json
from pathlib import Path

import onnx
import onnx.inliner
from onnx.external_data_helper import (
    ExternalDataInfo,
    load_external_data_for_model,
)

from bnnedge.dataflow import Meaning
from bnnedge.errors import ConfigError, LoweringError
from bnnedge.filekinds import ONNX, refuse_other_file
from bnnedge.files import read_bytes_bounded
from bnnedge.lowering.config import InputKind
from bnnedge.lowering.execute import cause_of
from bnnedge.lowering.guard import guarded
from bnnedge.lowering.limits import (
    MAX_BYTES,
    check_external,
    check_functions,
    check_shapes,
    external_tensors,
)
from bnnedge.lowering.origins import Origins
from bnnedge.lowering.passes.declare_input import declare
from bnnedge.lowering.tidy import clean_up
from bnnedge.lowering.wire import parsed_bytes
from bnnedge.names import network_name

_TIDY_BYTES = 1 << 30  # that cleaning up may take, and as much again for each of
_TIDY_COPIES = 8  # copies of the model: shape inference copies it
_TIDY_SECONDS = 600  # of a large model
ENCODING_KEY, MEANING_KEY, NAME_KEY = "bnnedge.encoding", "bnnedge.meaning", "bnnedge.name"
_MODEL = onnx.ModelProto.DESCRIPTOR


def external_files(path: Path) -> tuple[Path, ...]:
    """The files beside `path` that hold its external tensors; empty if it cannot be read."""
    try:
        names = {
            ExternalDataInfo(tensor).location for tensor in external_tensors(_parse_file(path))
        }
    except Exception:
        return ()
    folder = path.parent
    files = [folder / name for name in sorted(names) if (folder / name).is_file()]
    return tuple(file for file in files if file.resolve().is_relative_to(folder.resolve()))


def _parse_file(path: Path) -> onnx.ModelProto:
    """The model without its external data. Raises LoweringError where it is too large."""
    content = read_bytes_bounded(path, MAX_BYTES, raises=LoweringError)
    most = MAX_BYTES + len(content)
    if parsed_bytes(memoryview(content), _MODEL, most=most) > most:
        raise LoweringError(f"{path}: takes more than {most >> 20} MiB of memory to read")
    return onnx.load_from_string(content)


def read(path: Path, declared: InputKind | None = None) -> onnx.ModelProto:
    """The graph in a file, cleaned up: batch 1, shapes inferred, constants folded.

    Args:
        path: of the file.
        declared: what the user says of the input.

    Raises:
        LoweringError: the file is missing, truncated, too large, not ONNX, of an unknown opset, or
            has no static shapes.
    """
    return tidy(parse(path, declared))


def parse(path: Path, declared: InputKind | None = None) -> onnx.ModelProto:
    """The model in a file, as it is; see `read`."""
    model = _parse(path)
    del model.graph.metadata_props[:]  # what passes tell each other
    if declared is not None:
        declare(model, declared)
    return model


def _parse(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise LoweringError(f"{path}: no such file")
    size = path.stat().st_size + sum(file.stat().st_size for file in external_files(path))
    if size > MAX_BYTES:
        raise LoweringError(f"{path}: {size >> 20} MiB is more than {MAX_BYTES >> 20} MiB")
    try:
        model = _parse_file(path)
        check_external(model, path.parent)
        load_external_data_for_model(model, str(path.parent))
    except (OSError, onnx.checker.ValidationError) as error:
        for file in external_files(path):
            refuse_other_file(file, LoweringError, f"the external data of {path.name}")
        raise LoweringError(
            f"{path}: its external data cannot be read ({_line(error)})",
            remedy="put the .data file beside the model",
        ) from error
    except LoweringError:
        refuse_other_file(path, LoweringError, ONNX)
        for file in external_files(path):
            refuse_other_file(file, LoweringError, f"the external data of {path.name}")
        raise
    except Exception as error:
        refuse_other_file(path, LoweringError, ONNX)
        raise LoweringError(
            f"{path} is not an ONNX model, or truncated ({_line(error)})",
            remedy="export it again (torch.onnx.export, export_qonnx), or fetch it again",
        ) from error
    if not model.graph.node or not model.graph.output:
        refuse_other_file(path, LoweringError, ONNX)
        raise LoweringError(
            f"{path} is not an ONNX model, or truncated: its graph is empty",
            remedy="export the network again; wanted at least one node and one output",
        )
    return model


def encoding_name(model: onnx.ModelProto) -> str | None:
    """What the exporter calls the input encoding, if it says so in the file's metadata."""
    return _said(model, ENCODING_KEY)


def name_in(model: onnx.ModelProto, path: Path) -> str:
    """The network's name: what the exporter calls it, else the one of the file."""
    return network_name(_said(model, NAME_KEY) or path.stem)


def _said(model: onnx.ModelProto, key: str) -> str | None:
    """A value of the file's metadata, if it is there."""
    return next((str(entry.value) for entry in model.metadata_props if entry.key == key), None)


def meaning_of(model: onnx.ModelProto) -> Meaning:
    """What inputs and classes mean, if the file's metadata say so.

    Raises:
        LoweringError: they say it in another way than the exporter does.
    """
    text = _said(model, MEANING_KEY)
    try:
        return Meaning.of(json.loads("{}" if text is None else text), source=MEANING_KEY)
    except (ValueError, RecursionError, ConfigError) as error:
        raise LoweringError(
            f"metadata {MEANING_KEY} cannot be read: {_line(error)}", remedy="remove it"
        ) from error


def tidy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Clean up a parsed model; see `read`. `model` is not changed."""
    return follow(model)[0]


def follow(model: onnx.ModelProto, until: str | None = None) -> tuple[onnx.ModelProto, Origins]:
    """Clean up a parsed model, as `tidy` does, and tell where its nodes are.

    Args:
        model: not changed.
        until: the last step to do; None does all.
    """
    check_functions(model)
    tidied, origins = guarded(
        lambda: _tidied(model, until),
        most_bytes=_TIDY_BYTES + _TIDY_COPIES * model.ByteSize(),
        most_seconds=_TIDY_SECONDS,
        what="the graph",
    )
    clean = onnx.load_from_string(tidied)
    if until is None:
        check_shapes(clean.graph)
    return clean, origins


def _tidied(model: onnx.ModelProto, until: str | None) -> tuple[bytes, Origins]:
    try:
        made, origins = clean_up(model, until)
        return bytes(made.SerializeToString()), origins
    except (LoweringError, MemoryError):
        raise
    except Exception as error:
        # qonnx, onnx and protobuf raise whatever they trip over.
        raise LoweringError(
            f"the graph is not valid ONNX: {_line(error)}",
            remedy="export it again; onnx.checker may say what is wrong with it",
        ) from error


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {cause_of(error)}"
