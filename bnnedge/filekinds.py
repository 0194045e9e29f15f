"""What a file really is, where it is not what its reader wants.

Most files that cannot be read are whole files of another kind: a Git LFS pointer from a clone
without git-lfs, a web page saved in place of a download, a checkpoint in place of an export.
"""

from pathlib import Path

from bnnedge.errors import BnnEdgeError

ONNX = "an ONNX model"
NPZ = "a NumPy archive (.npz)"
NPY = "a NumPy array (.npy)"
GZIP = "a gzip archive"
CHECKPOINT = "a PyTorch checkpoint"
PICKLE = "a Python pickle, as old PyTorch checkpoints are"
MATLAB = "a MATLAB file"
TEXT = "a text file"
CLASSES = "a table of classes (.csv)"
FST = "a trace of waves (.fst)"
_HDF5 = "an HDF5 file (Keras, MATLAB)"

_HEAD_BYTES = 4096
_TAIL_BYTES = 1 << 16  # of a zip archive: the names of what is in it stand at its end
_LFS = b"version https://git-lfs.github.com/spec/"
_STARTS = (
    (b"\x89HDF\r\n\x1a\n", _HDF5),
    (b"\x93NUMPY", NPY),
    (b"input,class,name\n", CLASSES),
    (b"\x1f\x8b", GZIP),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-zip archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x7fELF", "an ELF program"),
    (b"%PDF-", "a PDF document"),
    (b"\0" + (329).to_bytes(8), FST),
    (b"MATLAB 5.0 MAT-file", MATLAB),
)
_AT_4 = (
    (b"TFL3", "a TensorFlow Lite model"),
    (b"ORTM", "a model in onnxruntime's own format (.ort)"),
)
_REMEDIES = {
    "a Git LFS pointer": "fetch the file itself: git lfs install, then git lfs pull",
    "a web page": "download the file itself (the raw one), not the page that shows it",
}
_EXPORT = "export the network to ONNX, with torch.onnx.export or Brevitas' export_qonnx"
_CONVERT = "convert the Keras or TensorFlow model with tf2onnx, before it is quantised"
_ONNX_REMEDIES = {
    CHECKPOINT: _EXPORT,
    "a TorchScript model": _EXPORT,
    PICKLE: _EXPORT,
    "a safetensors file": _EXPORT,
    "a Keras model (.keras)": _CONVERT,
    _HDF5: _CONVERT,
    "a TensorFlow Lite model": _CONVERT,
    "a TensorFlow SavedModel": _CONVERT,
    "a model in onnxruntime's own format (.ort)": "give the ONNX file that it was made from",
}


def file_kind(path: Path) -> str | None:
    """What a file is by its first bytes, as a noun with its article; None where they say nothing.

    At most 68 KiB are read. A file that cannot be read is of no kind.
    """
    try:
        if not path.is_file():
            return None
        with path.open("rb") as source:
            head = source.read(_HEAD_BYTES)
            size = source.seek(0, 2)
            source.seek(max(0, size - _TAIL_BYTES))
            tail = source.read(_TAIL_BYTES) if head[:4] == b"PK\3\4" else b""
    except (OSError, ValueError):
        return None
    if head.startswith(_LFS):
        return "a Git LFS pointer"
    if tail:
        return _zip_kind(head, tail)
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    for magic, kind in _AT_4:
        if head[4:8] == magic:
            return kind
    if head[257:262] == b"ustar":
        return "a tar archive"
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return PICKLE
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < size:
        return "a safetensors file"
    if path.name == "saved_model.pb":
        return "a TensorFlow SavedModel"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:9].lower()
    return "a web page" if text.startswith((b"<!doctype", b"<html")) else None


def refuse_other_file(path: Path, error: type[BnnEdgeError], wanted: str, *accepted: str) -> None:
    """Raise `error` if a file that could not be read is known to be of another kind.

    Args:
        path: the file.
        error: to raise.
        wanted: what its reader wants, as `file_kind` calls it, or another noun with its article.
        accepted: what it takes, too.
    """
    kind = file_kind(path)
    if kind is None or kind in (wanted, *accepted):
        return
    remedy = _REMEDIES.get(kind) or (_ONNX_REMEDIES.get(kind) if wanted == ONNX else None)
    raise error(f"{path} is {kind}, wanted {wanted}", remedy=remedy)


def _zip_kind(head: bytes, tail: bytes) -> str | None:
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if first.endswith(b".npy"):
        return NPZ
    if b"/data.pkl" in first or b"/data.pkl" in tail:
        return "a TorchScript model" if b"/code/" in tail else CHECKPOINT
    if b"model.weights.h5" in tail:
        return "a Keras model (.keras)"
    return "a zip archive" if b"PK\5\6" in tail else None
