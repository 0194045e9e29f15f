"""Forms in which kernels occur, read from the design of a network."""

from collections.abc import Callable, Iterator, Mapping

from bnnedge.design import Design, KernelInstance

_Parameters = Mapping[str, int | str]
_Forms = Mapping[str, Callable[[_Parameters], bool]]


def _any(p: _Parameters, prefix: str) -> bool:
    return any(value for name, value in p.items() if name.startswith(prefix))


_LINES: _Forms = {
    "padding": lambda p: _any(p, "Pad"),
    "dilation": lambda p: p["DilationHeight"] != 1 or p["DilationWidth"] != 1,
    "stride": lambda p: p["StrideHeight"] != 1 or p["StrideWidth"] != 1,
    "block RAM": lambda p: p["BlockRam"] == 1,
    "LUT RAM": lambda p: p["BlockRam"] == 0,
}
_MVU: _Forms = {
    "groups": lambda p: p["Groups"] != 1,
    "thresholds": lambda p: p["Thresholded"] == 1,
    "accumulators": lambda p: p["Thresholded"] == 0,
    "weights in block RAM": lambda p: p["BlockRom"] >= 1,
    "weights in logic": lambda p: p["BlockRom"] == 0,
}
_POOL: _Forms = {
    "OR": lambda p: not (p["Sum"] or p.get("Max") or p["ConjunctionFile"]),
    "AND": lambda p: bool(p["ConjunctionFile"]),
    "sum": lambda p: p["Sum"] == 1,
    "signed maximum": lambda p: p.get("Max") == 1 and p["Signed"] == 1,
    "unsigned maximum": lambda p: p.get("Max") == 1 and p["Signed"] == 0,
    "padding": lambda p: _any(p, "Pad"),
}
_FORMS: Mapping[str, _Forms] = {
    "sliding_window": {
        **_LINES,
        "groups": lambda p: p["Groups"] != 1,
        "ones as padding": lambda p: p["Fill"] != 0,
    },
    "pool_window": {**_LINES, **_POOL},
    "pool": _POOL,
    "xnor_mvu": {
        **_MVU,
        "border classes": lambda p: bool(p["RowFile"]),
        "corrections": lambda p: p["Corrected"] == 1,
    },
    "integer_mvu": {
        **_MVU,
        "signed": lambda p: p["Signed"] == 1,
        "unsigned": lambda p: p["Signed"] == 0,
    },
    "threshold": {
        "signed": lambda p: p["Signed"] == 1,
        "unsigned": lambda p: p["Signed"] == 0,
    },
    "multi_threshold": {
        "a table each": lambda p: p["Shared"] == 0,
        "one table": lambda p: p["Shared"] == 1,
        "falling codes": lambda p: bool(p["InvertFile"]),
        "rising codes": lambda p: not p["InvertFile"],
    },
    "code_table": {"": lambda p: True},
    "stream_width_converter": {
        "narrower": lambda p: p["InBits"] > p["OutBits"],
        "wider": lambda p: p["InBits"] < p["OutBits"],
        "no multiple": lambda p: (
            max(p["InBits"], p["OutBits"]) % min(p["InBits"], p["OutBits"]) != 0
        ),
    },
    "add": {
        "factors": lambda p: {abs(p["AFactor"]), abs(p["BFactor"])} != {1},
        "difference": lambda p: min(p["AFactor"], p["BFactor"]) < 0,
        "bits": lambda p: p["ABipolar"] == 1 or p["BBipolar"] == 1,
        "unsigned": lambda p: 0 in (p["ASigned"], p["BSigned"]),
    },
    "pad_channels": {
        "before": lambda p: p["BeforeWords"] > 0,
        "after": lambda p: p["AfterWords"] > 0,
    },
    "crop": {"rows": lambda p: p["Top"] > 0, "columns": lambda p: p["Left"] > 0},
    "arg_max": {
        "one at a time": lambda p: p["Pe"] == 1,
        "several": lambda p: p["Pe"] > 1,
    },
    "top_k": {"": lambda p: True},
    "score_table": {"": lambda p: True},
    "concat": {"": lambda p: True},
    "stream_fork": {"": lambda p: True},
    "resize_elements": {
        "signed": lambda p: p["Signed"] == 1,
        "unsigned": lambda p: p["Signed"] == 0,
        "wider": lambda p: p["InBits"] < p["OutBits"],
        "narrower": lambda p: p["InBits"] > p["OutBits"],
    },
}
_FIFOS = ("block RAM", "two words", "LUT RAM")
EVERY_FORM = {f"{module}: {form}" for module, forms in _FORMS.items() for form in forms} | {
    f"stream_fifo: {memory}" for memory in _FIFOS
}


def forms_of(design: Design) -> set[str]:
    """E.g. "xnor_mvu: groups"."""
    return {form for kernel in design.kernels for form in _forms(kernel)}


def _forms(kernel: KernelInstance) -> Iterator[str]:
    instances = [(kernel.module, kernel.parameters)]
    if kernel.resize is not None:
        instances.append(("resize_elements", kernel.resize))
    for module, parameters in instances:
        for form, holds in _FORMS.get(module, {}).items():
            if holds(parameters):
                yield f"{module}: {form}"
    if kernel.module == "stream_fifo":
        yield f"stream_fifo: {_memory_of(kernel)}"


def _memory_of(fifo: KernelInstance) -> str:
    if fifo.block_rams:
        return _FIFOS[0]
    return _FIFOS[1] if fifo.depth_words == 2 else _FIFOS[2]
