"""The kernels in `include/bnnedge/`: their template parameters, frames and memories."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from bnnedge.cost import ceil_div
from bnnedge.vitis_hls.memories import Rom, rom_of_files, rom_of_indices, rom_of_words

INCLUDE_FOLDER = Path(__file__).parent / "include"

Parameters = Mapping[str, int | str]

# Of pools that are no maximum.
_DEFAULTS: Parameters = {"Max": 0, "Signed": 0}


def template_arguments(module: str, parameters: Parameters) -> dict[str, int]:
    """Values of a kernel's template parameters, in the order of its header."""
    text = (INCLUDE_FOLDER / "bnnedge" / f"{module}.hpp").read_text(encoding="utf-8")
    declared = re.search(rf"template <([^>]*)>\s*void {module}\(", text)
    assert declared is not None, f"{module}.hpp declares no kernel"
    names = re.findall(r"(?:unsigned|int|bool) (\w+)", declared.group(1))
    values = {**_DEFAULTS, **parameters}
    return {name: int(values[name]) for name in names}


def frame_words(module: str, p: Mapping[str, int]) -> tuple[int, int]:
    """Words of a frame on a kernel's first input, and on each of its outputs.

    Args:
        module: the kernel.
        p: its parameters that are numbers.
    """
    match module:
        case "stream_width_converter":
            return ceil_div(p["FrameBits"], p["InBits"]), ceil_div(p["FrameBits"], p["OutBits"])
        case "xnor_mvu" | "integer_mvu":
            pixels = p.get("OutHeight", 1) * p.get("OutWidth", 1)
            words = pixels * p["Groups"] * p["MatrixWidth"] // p["Simd"]
            return words, pixels * p["MatrixHeight"] // p["Pe"]
        case "sliding_window":
            pixel = p["Channels"] // p["Simd"]
            taps = p["KernelHeight"] * p["KernelWidth"]
            return p["InHeight"] * p["InWidth"] * pixel, _windows(p) * taps * pixel
        case "pool_window":
            pixel = p["Channels"] // p["Lanes"]
            return p["InHeight"] * p["InWidth"] * pixel, _windows(p) * pixel
        case "pool":
            pixel = p["Channels"] // p["Lanes"]
            return p["InHeight"] * p["InWidth"] * pixel, p["OutHeight"] * p["OutWidth"] * pixel
        case "threshold" | "multi_threshold":
            return p["Channels"] // p["Pe"], p["Channels"] // p["Pe"]
        case "concat":
            return p["AWords"], p["AWords"] + p["BWords"]
        case "pad_channels":
            return p["InWords"], p["BeforeWords"] + p["InWords"] + p["AfterWords"]
        case "crop":
            kept = (p["Height"] - p["Top"]) * (p["Width"] - p["Left"])
            return p["Height"] * p["Width"] * p["PixelWords"], kept * p["PixelWords"]
        case "score_table":
            return p["Elements"] // p["Pe"], p["Elements"] // p["Pe"]
        case "arg_max":
            return p["Elements"] // p["Pe"], 1
        case "top_k":
            return p["Elements"], p["K"]
        case "stream_last":
            return p["Beats"], p["Beats"]
        case "stream_fork" | "add" | "code_table" | "resize_elements" | "match_count":
            return 1, 1
        case _:
            raise AssertionError(f"{module} has no twin in HLS")


def _windows(p: Mapping[str, int]) -> int:
    """Output pixels of a sliding window."""
    axes = (("Height", "PadTop", "PadBottom"), ("Width", "PadLeft", "PadRight"))
    count = 1
    for axis, before, after in axes:
        span = (p[f"Kernel{axis}"] - 1) * p[f"Dilation{axis}"] + 1
        count *= (p[f"In{axis}"] + p[before] + p[after] - span) // p[f"Stride{axis}"] + 1
    return count


def memories(module: str, parameters: Parameters, folder: Path) -> tuple[Rom | None, ...]:
    """The memories that a kernel takes, in the order of its arguments; None: it does without.

    Args:
        module: the kernel.
        parameters: of the instance, names of memory files among them.
        folder: that these names are relative to.
    """
    p = {name: value for name, value in parameters.items() if isinstance(value, int)}

    def file(name: str, read: Callable[[Path], Rom]) -> Rom | None:
        return read(folder / str(parameters[name])) if parameters[name] else None

    def words(name: str, *, lanes: int, bits: int) -> Rom | None:
        return file(name, lambda path: rom_of_words(path, lanes=lanes, bits=bits))

    def lane_files(stem: str, lanes: list[int], *, bits: int) -> Rom:
        paths = [folder / f"{stem}_{lane:03}.mem" for lane in lanes]
        return rom_of_files(paths, bits=bits)

    match module:
        case "xnor_mvu" | "integer_mvu":
            entry = _total_bits(module, p) + p["Thresholded"]
            weights = words("WeightFile", lanes=p["Pe"], bits=p["Simd"])
            table = words("TableFile", lanes=p["Pe"], bits=entry)
            if module == "integer_mvu":
                return weights, table
            classes = (file(name, rom_of_indices) for name in ("RowFile", "ColumnFile"))
            return weights, table, *classes
        case "threshold":
            return (words("TableFile", lanes=p["Pe"], bits=p["ElementBits"] + 2),)
        case "pool" | "pool_window":
            return (words("ConjunctionFile", lanes=1, bits=p["Lanes"]),)
        case "code_table":
            path = folder / str(parameters["TableFile"])
            return (rom_of_files([path] * p["Pe"], bits=p["OutBits"]),)
        case "score_table":
            lanes = list(range(p["Pe"]))
            return (lane_files(str(parameters["TableFile"]), lanes, bits=p["ScoreBits"]),)
        case "multi_threshold":
            lanes = [0 if p["Shared"] else lane for lane in range(p["Pe"])]
            stages = (
                lane_files(f"{parameters['TableFile']}_{stage}", lanes, bits=p["ThresholdBits"])
                for stage in range(p["Thresholds"].bit_length())
            )
            return words("InvertFile", lanes=1, bits=p["Pe"]), *stages
        case _:
            return ()


def _total_bits(module: str, p: Mapping[str, int]) -> int:
    """Bits of a row's total in a matrix-vector unit."""
    width = p["MatrixWidth"]
    if module == "xnor_mvu":
        return (width + 1).bit_length() if p["Thresholded"] else width.bit_length() + 1
    bits = p["ElementBits"]
    limit = width * (1 << (bits - 1) if p["Signed"] else (1 << bits) - 1)
    return 1 + (limit + width + 1 if p["Thresholded"] else limit).bit_length()
