"""What is proven of every kernel, with which parameters, and which faults make a property fail."""

from dataclasses import dataclass
from pathlib import Path

from bnnedge import tools
from bnnedge.families.ecp5 import Ecp5
from bnnedge.families.placed import CELL_FOLDER
from bnnedge.hardware.kernels import SV_FOLDER
from bnnedge.links.base import SV_FOLDER as LINKS
from tests.proofs.prover import Proof

_FILE = '"any"'  # a memory's; what it holds is free
_COUNTED = (8, 16, 25, 32, 64, 100, 128)  # widths of popcounts
_PADS = dict.fromkeys(("PadTop", "PadLeft", "PadBottom", "PadRight"), 0)
_AROUND = dict.fromkeys(_PADS, 1)
_ECP5 = CELL_FOLDER / Ecp5.name


def _of(
    module: str,
    *shapes: dict[str, int | str],
    quick: int = 1,
    folder: Path = SV_FOLDER,
    **how: int,
) -> list[Proof]:
    """Proofs of a module; the default tests do the first `quick` ones."""
    return [
        Proof(module=module, parameters=shape, quick=place < quick, folder=folder, **how)
        for place, shape in enumerate(shapes)
    ]


def _converter(in_bits: int, out_bits: int, frame_bits: int) -> dict[str, int | str]:
    return {"InBits": in_bits, "OutBits": out_bits, "FrameBits": frame_bits}


def _pad(before: int, own: int, after: int, fill: int) -> dict[str, int | str]:
    words: dict[str, int | str] = {"BeforeWords": before, "InWords": own, "AfterWords": after}
    return words | {"Lanes": 2, "ElementBits": 2, "Fill": fill}


def _crop(height: int, width: int, words: int, top: int, left: int) -> dict[str, int | str]:
    size: dict[str, int | str] = {"Height": height, "Width": width, "PixelWords": words}
    return size | {"WordBits": 3, "Top": top, "Left": left}


def _mvu(width: int, height: int, pe: int, simd: int, **more: int | str) -> dict[str, int | str]:
    shape: dict[str, int | str] = {"MatrixWidth": width, "MatrixHeight": height}
    return shape | {"Pe": pe, "Simd": simd} | more


def _axi(in_beats: int, out_beats: int, **more: int | str) -> dict[str, int | str]:
    shape: dict[str, int | str] = {"IN_BEATS": in_beats, "OUT_BEATS": out_beats}
    return shape | {"IN_WIDTH": 8, "OUT_WIDTH": 8} | more


def _stored(width: int, depth: int, words: int) -> dict[str, int | str]:
    return {"Width": width, "Depth": depth, "StoredWords": words, "StoredFile": _FILE}


def _results(width: int, words: int) -> dict[str, int | str]:
    return {"Width": width, "Words": words, "ResultFile": _FILE}


def _taps(size: int, kernel: int, depth: int, **more: int | str) -> dict[str, int | str]:
    """Of square windows."""
    shape: dict[str, int | str] = {"InHeight": size, "InWidth": size, "Width": 2, "Depth": depth}
    return shape | {"KernelHeight": kernel, "KernelWidth": kernel} | more


def _fold(words: int, folds: int, vectors: int, **more: int | str) -> dict[str, int | str]:
    shape: dict[str, int | str] = {"Words": words, "Folds": folds, "Vectors": vectors}
    return shape | {"WordBits": 2, "WeightBits": 3, "WeightFile": _FILE} | more


def _classes(**more: int | str) -> dict[str, int | str]:
    """Of the pixels of an output."""
    shape: dict[str, int | str] = {"Height": 2, "Width": 3, "RowClasses": 2, "ColumnClasses": 2}
    files = dict.fromkeys(("TableFile", "RowFile", "ColumnFile"), _FILE)
    return shape | {"Pe": 2, "TotalBits": 2, "Folds": 2} | files | more


def _window(size: int, kernel: int, depth: int, **more: int | str) -> dict[str, int | str]:
    """Square ones of a channel."""
    shape: dict[str, int | str] = {"InHeight": size, "InWidth": size, "Channels": 1}
    return shape | {"KernelHeight": kernel, "KernelWidth": kernel, "Depth": depth} | more


# A FIFO that turns at any word but the first two of its memory is one of any depth, but of the
# smallest ones, up to the memory's.
_ANY_DEPTH = (
    (r"PTR_BITS'\(WORDS - 1\)", "last"),
    (r"(<=|==|<|-) WORDS\b(?! [+-])", r"\1 (last + 1)"),
    (r"(<=|==) Depth\b(?! [+-])", r"\1 (last + 1 + 2 * Late)"),
    (r"(?=  logic push, pop, full_q;)", "(* anyconst *) logic [PTR_BITS-1:0] last;\n"),
    (r"(?=\nendmodule)", "\n  always_comb assume (last > 1);"),
)

PROOFS = (
    *_of(
        "add",
        {},
        {"Lanes": 2, "ABits": 1, "ABipolar": 1, "AFactor": 3, "BFactor": 2, "OutBits": 6},
    ),
    *_of(
        "arg_max",
        {"Elements": 4, "Pe": 2, "ElementBits": 3},
        {"Elements": 3, "Pe": 1, "ElementBits": 3},
        {"Elements": 10, "Pe": 5, "ElementBits": 4},
        quick=2,
    ),
    *_of(
        "arg_max",
        {"Elements": 3, "Pe": 3, "ElementBits": 2},
        {"Elements": 1, "Pe": 1, "ElementBits": 3},
        quick=0,
        reach=0,  # one beat: no tie of two
    ),
    *_of(
        "code_table",
        {"Pe": 2, "InBits": 3, "OutBits": 2, "TableFile": _FILE},
        {"Pe": 4, "InBits": 5, "OutBits": 4, "TableFile": _FILE},
    ),
    *_of(
        "concat",
        {"Width": 3, "AWords": 2, "BWords": 3},
        {"AWords": 1, "BWords": 1},
        {"AWords": 7, "BWords": 1},
    ),
    *_of("crop", _crop(2, 2, 2, 1, 1), _crop(2, 3, 1, 0, 2), reach=16),
    *_of("crop", _crop(5, 1, 3, 2, 0), _crop(9, 7, 2, 2, 3), quick=0, reach=0),
    *_of(
        "integer_mvu",
        _mvu(4, 2, 1, 2, ElementBits=2, WeightFile=_FILE, TableFile=_FILE),
        _mvu(2, 4, 2, 1, ElementBits=3, Signed=1, BlockRom=1, WeightFile=_FILE, TableFile=_FILE),
        _mvu(4, 2, 1, 2, ElementBits=2, Thresholded=0, WeightFile=_FILE, TableFile=_FILE),
        _mvu(3, 2, 1, 3, ElementBits=2, Thresholded=0, WeightFile=_FILE, TableFile=_FILE),
        _mvu(4, 2, 1, 2, ElementBits=2, MagnitudeBits=1, WeightFile=_FILE, TableFile=_FILE),
        _mvu(2, 2, 2, 1, ElementBits=2, Signed=1, MagnitudeBits=2, Thresholded=0, TableFile=_FILE)
        | {"WeightFile": _FILE},
        depth=3,
    ),
    *_of(
        "line_buffer",
        _taps(2, 2, 4),
        _taps(3, 2, 8, PadTop=1, PadLeft=1),
        _taps(4, 2, 8, StrideHeight=2, StrideWidth=2, BlockRam=1),
        _taps(3, 2, 16, PixelWords=2, Groups=2),
        _taps(4, 2, 16, DilationHeight=2, DilationWidth=2, **_AROUND),
        _taps(3, 1, 4, StrideHeight=2, PadBottom=1),
        _taps(2, 3, 8, **_AROUND),
        _taps(2, 2, 8, **_AROUND),
        _taps(3, 2, 16, PadLeft=1, PadRight=1),
        _taps(2, 1, 8, PadTop=1),
        _taps(3, 1, 8, PadTop=1, StrideHeight=2) | {"InWidth": 1},
    ),
    *_of(
        "mvu_fold",
        _fold(2, 3, 1),
        _fold(3, 2, 1, BlockRom=1),
        _fold(2, 2, 2, BlockRom=1),
        _fold(3, 2, 1, BlockRom=2),
        _fold(7, 1, 2, BlockRom=3),
        _fold(3, 2, 1, BlockRom=1, DeepWords=5, ShortWords=2) | {"WeightBits": 9},
        _fold(3, 2, 1, LutWords=5),
        _fold(2, 1, 2),
        _fold(1, 3, 1),
        _fold(1, 2, 2),
        _fold(1, 1, 1),
    ),
    *_of(
        "multi_threshold",
        {"Channels": 4, "Pe": 2, "InBits": 4, "ThresholdBits": 5, "TableFile": _FILE},
        {"Channels": 8, "Pe": 1, "Thresholds": 7, "OutBits": 3, "TableFile": _FILE},
        {"Shared": 1, "InvertFile": _FILE, "TableFile": _FILE, "Thresholds": 5, "OutBits": 4},
    ),
    *_of("pad_channels", _pad(2, 2, 3, 1), _pad(0, 2, 1, 0), _pad(1, 1, 0, 3)),
    *_of(
        "pool",
        {"InHeight": 4, "InWidth": 4, "ConjunctionFile": _FILE},
        {"Sum": 1, "ElementBits": 3, "ResultBits": 5, "Channels": 2, "Lanes": 1},
        {"Max": 1, "ElementBits": 3, "ResultBits": 3, "Channels": 2, "Lanes": 2, "Signed": 1},
    ),
    *_of(
        "pool_window",
        _window(2, 2, 4, Lanes=1, ConjunctionFile=_FILE, **_PADS),
        reach=34,
    ),
    *_of("pool_window", {"Max": 1, "ElementBits": 3, "ResultBits": 3}, quick=0, reach=0),
    *_of(
        "score_table",
        {"Elements": 4, "Pe": 2, "ElementBits": 4, "Reach": 4, "TableFile": _FILE},
        {"Elements": 3, "Pe": 1, "ElementBits": 5, "Reach": 7, "TableFile": _FILE},
    ),
    *_of(
        "signed_sum",
        {"Width": 3, "ElementBits": 3, "SumBits": 6},
        {"Width": 1, "ElementBits": 3, "SumBits": 6},
        {"Width": 4, "ElementBits": 2, "SumBits": 6, "Signed": 1},
        {"Width": 7, "ElementBits": 2, "SumBits": 6},
        {"Width": 3, "ElementBits": 2, "SumBits": 6, "MagnitudeBits": 1},
        {"Width": 3, "ElementBits": 2, "SumBits": 7, "MagnitudeBits": 2, "Signed": 1},
        reach=9,
    ),
    *_of("sliding_window", _window(2, 2, 4, Simd=1), reach=34),
    *_of("sliding_window", {}, {"PadTop": 1, "PadLeft": 1, "BlockRam": 1}, quick=0, reach=0),
    *_of(
        "stream_fifo",
        {"Width": 4, "Depth": 3},
        {"Width": 4, "Depth": 2},
        {"Width": 4, "Depth": 4, "Late": 1},
        *({"Width": 4, "Depth": depth, "Late": int(depth > 5)} for depth in (4, 5, 6, 7)),
        quick=3,
    ),
    *_of("stream_fifo", *({"Depth": depth} for depth in (64, 1000)), quick=0, reach=0),
    *(
        Proof(
            module="stream_fifo",
            parameters={"Width": 4, "Depth": most, "Late": int(late)},
            quick=most == 16,
            reach=0,
            edits=_ANY_DEPTH,
        )
        for most in (16, 1024)
        for late in (False, True)
    ),
    *_of("stream_fork", {"Width": 4}, {"Width": 32}),
    *_of("credit_gate", {"Credits": 3}, {"Credits": 1}, {"Credits": 16, "InBits": 9}),
    *_of("loop_counter", {"Bound": 5}, {"Bound": 1}, {"Bound": 2}, {"Bound": 16}),
    *_of(
        "stream_width_converter",
        *(_converter(*shape) for shape in ((3, 2, 7), (2, 6, 8), (8, 3, 10), (2, 6, 11))),
        *(
            _converter(*shape)
            for shape in ((6, 2, 11), (3, 3, 3), (8, 3, 7), (4, 32, 37), (64, 16, 784))
        ),
        quick=2,
    ),
    *_of(
        "threshold",
        {"Channels": 4, "Pe": 2, "ElementBits": 3, "TableFile": _FILE},
        {"Channels": 3, "Pe": 3, "ElementBits": 5, "Signed": 0, "TableFile": _FILE},
    ),
    *_of("axi_registers", {}, folder=LINKS),
    *_of("bnnedge_axi", _axi(2, 2), _axi(1, 3), _axi(3, 1, CORE_IN_WIDTH=16), folder=LINKS),
    *_of("frame_buffer", _stored(4, 2, 3), _stored(3, 4, 1), _stored(2, 8, 4), folder=LINKS),
    *_of("vector_store", _results(4, 1), _results(3, 2), _results(5, 3), folder=LINKS, depth=3),
    *_of("popcount", *({"Width": width} for width in _COUNTED), quick=2, reach=9),
    *(
        Proof(
            module="popcount",
            parameters={"Width": width},
            reach=9,
            quick=width == _COUNTED[0],
            folder=_ECP5,
            library=tuple(tools.yosys_models("lattice") / name for name in Ecp5.models[0]),
        )
        for width in _COUNTED
    ),
    *_of(
        "top_k",
        {"Elements": 3, "K": 2, "ElementBits": 2},
        {"Elements": 2, "K": 1, "ElementBits": 3},
        {"Elements": 4, "K": 4, "ElementBits": 2},
    ),
    *_of("top_k", {"Elements": 5, "K": 3, "ElementBits": 3}, quick=0, reach=0),
    *_of(
        "result_stage",
        _classes(Thresholded=1),
        {"Pe": 2, "TotalBits": 3, "Folds": 3, "Corrected": 1, "TableFile": _FILE},
        {"Pe": 2, "TotalBits": 3, "Folds": 3, "Thresholded": 1, "Signed": 1, "TableFile": _FILE},
        {"Pe": 2, "TotalBits": 3},
        _classes(Thresholded=1, Early=1, AheadBits=0),
        _classes(Thresholded=1, Folds=1, Height=3),
        {"Folds": 3, "Thresholded": 1, "Early": 1, "AheadBits": 0, "TableFile": _FILE},
        {"Folds": 3, "Thresholded": 1, "AheadBits": 0, "TableFile": _FILE},
        _classes(Corrected=1, AheadBits=0),
    ),
    *_of(
        "xnor_mvu",
        _mvu(4, 2, 1, 2, WeightFile=_FILE, TableFile=_FILE),
        _mvu(4, 4, 2, 4, WeightFile=_FILE, TableFile=_FILE, Thresholded=1),
        _mvu(6, 4, 2, 3, WeightFile=_FILE, TableFile=_FILE, Thresholded=1, BlockRom=1),
        _mvu(4, 4, 1, 2, WeightFile=_FILE, TableFile=_FILE, Corrected=1, Groups=2),
        _mvu(3, 2, 2, 3, WeightFile=_FILE, TableFile=_FILE),
        _mvu(7, 2, 1, 7, WeightFile=_FILE, TableFile=_FILE),
        _mvu(3, 2, 1, 1, WeightFile=_FILE, TableFile=_FILE, Thresholded=1, BlockRom=2),
        _mvu(4, 2, 1, 2, WeightFile=_FILE, TableFile=_FILE, Corrected=1, Masked=1),
        _mvu(3, 4, 2, 3, WeightFile=_FILE, TableFile=_FILE, Thresholded=1, Masked=1),
        depth=3,
    ),
)

PACES = (
    ("xnor_mvu", _mvu(4, 2, 1, 2, WeightFile=_FILE, TableFile=_FILE), 2, 4),
    ("xnor_mvu", _mvu(8, 4, 2, 4, WeightFile=_FILE, TableFile=_FILE, Thresholded=1), 2, 4),
    ("xnor_mvu", _mvu(4, 4, 1, 4, WeightFile=_FILE, TableFile=_FILE, BlockRom=1), 4, 4),
    ("integer_mvu", _mvu(6, 2, 1, 2, ElementBits=2, WeightFile=_FILE, TableFile=_FILE), 2, 6),
    ("line_buffer", _taps(3, 2, 16, PadTop=1, PadLeft=1), 36, 36),
    ("line_buffer", _taps(4, 2, 16, StrideHeight=2, StrideWidth=2, BlockRam=1), 16, 16),
    ("sliding_window", _window(4, 3, 16, Simd=1), 36, 36),
    ("pool", {"InHeight": 4, "InWidth": 4, "ConjunctionFile": _FILE}, 4, 16),
    ("pool_window", _window(3, 2, 16, Lanes=1, ConjunctionFile=_FILE, **_PADS), 1, 9),
    ("stream_width_converter", _converter(3, 2, 7), 4, 4),
    ("stream_width_converter", _converter(2, 6, 11), 2, 6),
    ("threshold", {"Channels": 4, "Pe": 2, "ElementBits": 3, "TableFile": _FILE}, 2, 2),
    ("arg_max", {"Elements": 10, "Pe": 5, "ElementBits": 4}, 1, 2),
    ("top_k", {"Elements": 4, "K": 2, "ElementBits": 2}, 2, 4),
)
"""Modules, parameters, beats of an output frame, clock cycles of a frame."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An edit of a kernel after which some of its properties fail.

    Attributes:
        module: whose text is edited.
        old: a piece that occurs once.
        new: what stands in its place.
        folder: of the module.
        label: of the one property for which it is there; "": it may be any.
    """

    module: str
    old: str
    new: str
    folder: Path
    label: str


def _faults(module: str, *edits: tuple[str, ...], folder: Path = SV_FOLDER) -> tuple[Fault, ...]:
    return tuple(
        Fault(module=module, old=old, new=new, folder=folder, label="".join(label))
        for old, new, *label in edits
    )


FAULTS = (
    *_faults(
        "stream_fifo",
        ("full_q ? tail_q : in_data_i", "in_data_i", "order_is_kept"),
        ("        if (push) memory[write_q]", "        if (push) memory[read_q]"),
        ("(posedge clk_i) if (push) memory[write_q]", "(posedge clk_i) memory[write_q]"),
        ("push & (next_write_q == read_q)", "1'b0"),
        ("take & (next_read_q == write_q)", "1'b0"),
        ("if (take) begin", "if (out_ready_i) begin"),
        ("next_write_q == PTR_BITS'(WORDS - 1) ? '0", "1'b0 ? '0"),
        ("if (take) word_q", "word_q", "word_is_followed"),
        ("take  = ~empty_q & (moves", "take  = ~empty_q | (moves", "late_is_followed"),
        ("out_valid_o = ~empty_q;\n      assign", "out_valid_o = full_q;\n      assign"),
        ("= in_valid_i & ~full_q", "= in_valid_i"),
        ("if (push) tail_q", "if (in_valid_i) tail_q"),
        ("in_ready_o = ~full_q", "in_ready_o = 1'b1"),
    ),
    *_faults(
        "credit_gate",
        ("if (take != back_i) left_q", "if (take) left_q", "rest_is_left"),
        ("take ? left_q - 1'b1 : left_q + 1'b1", "left_q - 1'b1", "rest_is_left"),
        ("ready_q <= back_i | ", "ready_q <= ", "ready_while_left"),
        ("& ~take);", "& 1'b1);", "ready_while_left"),
    ),
    *_faults(
        "stream_fork",
        ("out0_valid_o = in_valid_i & ~done0_q", "out0_valid_o = in_valid_i"),
        ("in_ready_o = taken0 & taken1", "in_ready_o = taken0"),
        ("done0_q <= taken0 & ~taken1", "done0_q <= taken0"),
        ("out1_data_o  = in_data_i", "out1_data_o  = ~in_data_i"),
        ("out1_valid_o = in_valid_i & ~done1_q", "out1_valid_o = 1'b1"),
    ),
    *_faults(
        "crop",
        (".Size(Width), .Skip(Left)", ".Size(Width), .Skip(0)"),
        (".Size(Width), .Skip(Left)", ".Size(2 * Width), .Skip(Left)"),
        ("in_ready_o  = out_ready_i | ~keep", "in_ready_o  = out_ready_i"),
        ("out_data_o  = in_data_i", "out_data_o  = ~in_data_i"),
        (".step_i(take & pixel_end), ", ".step_i(take), "),
    ),
    *(
        fault
        for module in ("pad_channels", "concat")
        for fault in _faults(
            module,
            ("if (valid) word_q", "word_q"),
            ("WORD_BITS'(WORDS - 1) ? '0", "WORD_BITS'(WORDS) ? '0"),
            ("en          = ~out_valid_q | out_ready_i", "en          = 1'b1"),
        )
    ),
    *_faults("loop_counter", ("BITS'(Bound - 2)", "BITS'(Bound - 1)")),
    *_faults("pad_channels", ("in_ready_o  = en & passing", "in_ready_o  = en")),
    *_faults("concat", ("from_b ? b_data_i : a_data_i", "a_data_i")),
    *_faults(
        "stream_width_converter",
        ("in_data_i[i] & ~last", "in_data_i[i]", "behind_is_zero"),
        ("ENDS & take & last", "1'b0", "padding_is_zero"),
        (".step_i(take)", ".step_i(in_valid_i)", "beats_as_counted"),
        ("(out_ready_i & ~two_q)", "out_ready_i"),
        ("if (two_q) at_q <= at_q -", "at_q <= at_q -"),
        ("      out_valid_q <= two_q", "      out_valid_q <= 1'b0"),
        ("32'(at_q) >= 2", "32'(at_q) > 2"),
        ("32'(filled) >= 2", "32'(filled) > 2"),
        ("filled >= FILL_BITS'(OUT_UNITS)", "filled > FILL_BITS'(OUT_UNITS)"),
        ("buffer_q[(u+OUT_UNITS)*UNIT+:UNIT] &", "buffer_q[u*UNIT+:UNIT] &"),
        ("assign comes[k] = take;", "assign comes[k] = 1'b0;"),
        ("take && at_q == FILL_BITS'(u - k)", "take"),
        ("|comes || ends || (MOVES && pop)", "|comes || ends"),
    ),
    *_faults(
        "arg_max",
        ("> (low[ElementBits-1:0] ^ SIGN)", ">= (low[ElementBits-1:0] ^ SIGN)"),
        ("(value ^ SIGN) > (best_q ^ SIGN)", "(value ^ SIGN) >= (best_q ^ SIGN)"),
        ("if (better) best_q", "best_q"),
        ("else if (en) valid_q <= in_valid_i", "else valid_q <= in_valid_i"),
        ("if (last) out_q <= winner", "if (last) out_q <= index"),
        ("en     = ~(valid & last & out_valid_q & ~out_ready_i)", "en     = 1'b1"),
        ("if (en && valid) beat_q", "if (en) beat_q"),
        ("(valid & last) | (out_valid_q", "valid | (out_valid_q"),
    ),
    *_faults(
        "top_k",
        ("$signed(value_q) > $signed(best_q)", "$signed(value_q) >= $signed(best_q)"),
        ("? {gen_place[i-1].best_q, gen_place[i-1].best_index_q}", "? {value_q, index_q}"),
        ("filled_q <= ~first_q & gen_place[i-1].filled_q", "filled_q <= gen_place[i-1].filled_q"),
        ("else if (out_ready_i) out_q <= gen_place", "else out_q <= gen_place"),
        ("else if (out_ready_i) left_q", "else left_q"),
        ("whole_q <= valid_q & last", "whole_q <= valid_q"),
        ("valid_q <= in_valid_i", "valid_q <= 1'b1"),
        ("~(whole_q & left_q[0] & ~(", "~(whole_q & left_q[0] | ~("),
        ("index_q <= last ? '0 : index_q + 1'b1", "index_q <= index_q + 1'b1"),
    ),
    *_faults(
        "popcount",
        ("agree  = a_i ~^ b_i", "agree  = a_i ^ b_i"),
        ("(a & b) | (c & (a | b))", "(a & b) | (c & (a & b))"),
        ("if (en_i) sum_q <= sum_d", "sum_q <= sum_d"),
        ("base_i + SumBits'", "SumBits'"),
    ),
    *_faults(
        "popcount",
        ("{sum_q, a_q, b_q} <= {sum_d, a_d, b_d}", "{sum_q, a_q, b_q} <= {sum_d, b_d, a_q}"),
        ("c_i      (SumBits'(BITS'('1)))", "c_i      ('0)"),
        ("{1'b1, gen_level[l-1]", "{1'b0, gen_level[l-1]"),
        folder=_ECP5,
    ),
    *_faults(
        "signed_sum",
        ("x ^ {TERM_BITS{~w_i[n]}}", "x"),
        ("if (magnitude[k]) product", "product"),
        ("($signed(term)) << k", "($signed(term))"),
        ("base_i + SumBits'", "SumBits'"),
        ("if (en_i) sum_q", "sum_q"),
    ),
    *_faults(
        "mvu_fold",
        ("(DEPTH - 1) ? '0 : addr_q + 1'b1", "(DEPTH - 1) ? '0 : addr_q", "place_as_counted"),
        ("in_ready_o = en_i & first_fold", "in_ready_o = en_i", "taken_in_first"),
        ("if (en_i) x_q <= first_fold", "x_q <= first_fold", "first_is_kept"),
        ("x_q <= first_fold ? in_data_i :", "x_q <=", "meets_its_word"),
        ("valid_q <= step;", "valid_q <= 1'b1;", "step_as_counted"),
        ("fold_q <= addr_q", "fold_q <= '0", "meets_its_weights"),
        ("read_q    <= rom[addr_q]", "read_q    <= rom[0]", "first_is_read"),
        ("word_q <= read_q", "word_q <= word_q", "pieces_are_read"),
        ("here_q    <= here", "here_q    <= '1", "piece_is_chosen"),
        ("{last_late_q[0], last_q}", "{last_late_q[0], valid_q}", "late_is_kept"),
        ("last_word ? '0 : word_q + 1'b1", "word_q", "words_as_counted"),
        (
            "if (step && first_fold) replay[word_q] <= in_data_i;\n          if (en_i) x_q",
            "if (step) replay[word_q] <= in_data_i;\n          if (en_i) x_q",
            "replay_is_vector",
        ),
        (
            "place_q <= word_q;\n            first_q",
            "place_q <= '0;\n            first_q",
            "last_word_comes",
        ),
        ("if (step && first_fold) x_q", "if (step) x_q", "held_is_vector"),
        (".step_i(step & last_word)", ".step_i(step)", "folds_as_counted"),
    ),
    *_faults(
        "result_stage",
        ("| (out_valid_q & ~out_ready_i)", "| out_valid_q", "offered_till_left"),
        ("en_o = ~(final_valid & out_valid_q", "en_o = ~(out_valid_q", "waits_for_room"),
        (
            "assign en_o = ~(final_valid & out_valid_q & ~out_ready_i)",
            "assign en_o = 1'b1",
            "none_is_lost",
        ),
        ("else if (en_o) total_valid_q", "else total_valid_q", "ends_as_taken"),
        ("reached ^ invert", "reached", "is_its_result"),
        ("entries_q <= rom[base | fold]", "entries_q <= rom[fold]", "total_meets_its_entry"),
        ("{read_q, rom[base | fold]}", "{read_q, rom[fold]}", "entry_is_read"),
        ("x_q <= line_end ? '0 : x_q", "x_q <= x_q", "pixels_as_counted"),
        ("fold_q <= pixel_end ? '0 : fold_q + 1'b1", "fold_q <= '0", "folds_as_counted"),
    ),
    *(
        fault
        for module in ("xnor_mvu", "integer_mvu")
        for fault in _faults(
            module,
            ("valid_q[LATENCY:1] <= valid_q[LATENCY-1:0]", "", "steps_as_counted"),
            (
                "done_q[LATENCY:1]  <= done_q[LATENCY-1:0]",
                "done_q[LATENCY:1] <= '1",
                "rows_in_order",
            ),
            ("(!rst_ni || (en && done_q[LATENCY])) acc_q", "(!rst_ni) acc_q", "sums_so_far"),
            (".base_i(acc)", ".base_i('0)", "step_is_added"),
            ("if (en && valid_q[LATENCY]) acc_q", "if (en) acc_q", "total_is_its_row"),
        )
    ),
    *_faults("xnor_mvu", ("(row & mask) | ~(x | mask)", "row & mask", "step_is_added")),
    *_faults(
        "line_buffer",
        (".step_i(step & column_end), ", ".step_i(step), ", "loops_as_counted"),
        ("CREDIT_BITS'(TO_PIXEL - 1)", "'1", "taken_if_room"),
        ("(pad & ~first) | ~ahead_q[CREDIT_BITS-1]", "1'b1", "waits_for_its_word"),
        ("x_d < X_BITS'(PadLeft)", "1'b0", "padding_as_said"),
        ("if (step) read_q", "read_q", "reads_its_word"),
        ("else if (write) write_q", "else if (in_valid_i) write_q", "writes_behind"),
        ("else if (en) valid_q", "else valid_q", "leaves_as_counted"),
        ("out_data_o  = data_q", "out_data_o  = ~data_q", "is_padding_or_word"),
        ("write      = in_valid_i & in_ready_o", "write = in_valid_i", "memory_is_followed"),
        ("read_valid_q <= step;", "read_valid_q <= 1'b1;", "first_is_read"),
        ("x_q   <= x_d", "x_q <= x_q", "place_as_counted"),
    ),
    *_faults(
        "axi_registers",
        ("~write_ready_q & s_axi_awvalid & s_axi_wvalid", "~write_ready_q & s_axi_awvalid"),
        ("~read_ready_q & s_axi_arvalid", "~read_ready_q"),
        ("write | (write_done_q & ~s_axi_bready)", "write"),
        ("read | (read_done_q & ~s_axi_rready)", "read"),
        ("& s_axi_wvalid & ~write_done_q", "& s_axi_wvalid"),
        ("if (read) begin", "begin"),
        ("images_q[8*i+:8] <=", "images_q[8*i+:8] <= ~"),
        ("~read_ready_q & s_axi_arvalid & ~read_done_q", "1'b0"),
        folder=LINKS,
    ),
    *_faults(
        "bnnedge_axi",
        ("out_valid & rst_nq;", "out_valid & rst_nq & m_axis_tready;"),
        ("(result_q == images)", "(result_q == images) & s_axis_tvalid"),
        ("& ~frame_error_q & ~bad", "& ~bad"),
        ("in_ready | frame_error_q | ~rst_nq", "in_ready"),
        ("~&s_axis_tkeep | (", "("),
        ("images_in_q + 32'd1", "images_in_q"),
        ("m_axis_tlast ? 32'd1 : result_q + 32'd1", "result_q + 32'd1"),
        (".rst_ni(rst_nq), .valid_i(in_valid)", ".rst_ni(1'b1), .valid_i(in_valid)"),
        ("core_in_data  = s_axis_tdata", "core_in_data = ~s_axis_tdata"),
        ("m_axis_tdata   = core_out_data", "m_axis_tdata = ~core_out_data"),
        ("m_axis_tdata   = core_out_data", "m_axis_tdata = core_out_data ^ {8{m_axis_tready}}"),
        folder=LINKS,
    ),
    *_faults(
        "frame_buffer",
        ("if (move) out_data_q", "if (word_valid_q) out_data_q", "data_are_stable"),
        ("else if (out_ready_i) out_valid_q", "else out_valid_q", "valid_is_held"),
        ("else if (out_ready_i) out_valid_q", "else out_valid_q", "as_many_as_asked"),
        ("word_q <= words[place]", "word_q <= ~words[place]", "word_waits_in_turn"),
        ("word_q <= words[place]", "word_q <= ~words[place]", "each_in_its_turn"),
        ("last_word_q ? PLACE_BITS'(Depth) : place_q", "place_q", "reads_in_turn"),
        ("rounds_q == 8'd2", "rounds_q == 8'd1", "last_is_known"),
        ("read & ~stored;", "read;", "none_of_frames"),
        folder=LINKS,
    ),
    *_faults(
        "vector_store",
        ("in_ready_o = expected_valid", "in_ready_o = 1'b1", "takes_only_while_it_measures"),
        ("(measuring_q & ~measured_o)", "measuring_q", "one_at_a_time"),
        ("<= ~playing", "<= 1'b1", "nothing_is_left_before"),
        ("<= ~playing", "<= 1'b1", "over_is_over"),
        ("<= taken & in_last_i", "<= taken", "results_are_counted"),
        ("in_data_i ^ expected", "in_data_i & ~expected", "wrong_words_are_counted"),
        ("if (begins_q || running_q)", "if (running_q)", "clocks_are_counted"),
        ("if (begins_q) running_q <= 1'b1", "running_q <= begins_q", "begin_is_known"),
        ("if (last_q) last_clock_q", "if (last_q && first_q) last_clock_q", "last_is_known"),
        ("<= taken_i;", "<= 1'b1;", "last_is_now"),
        ("<= taken_i;", "<= 1'b1;", "first_is_now"),
        ("if (last_q && first_q) first_clock_q", "if (last_q) first_clock_q", "first_is_known"),
        ("measured_q   <= over_q", "measured_q <= ~playing", "measured_is_whole"),
        ("measured_q   <= over_q", "measured_q <= ~playing", "report_is_whole"),
        ("if (last_q) last_clock_q", "last_clock_q", "report_is_held"),
        folder=LINKS,
    ),
    *_faults(
        "add",
        ("if (en) sum_q", "sum_q"),
        ("out_valid_o = out_valid_q", "out_valid_o = out_valid_q & ~a_valid_i"),
    ),
)
