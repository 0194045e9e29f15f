"""CPU seconds of lowering chains of 8×8 layers, plain and residual, against their length.

python build_scripts/lowering_growth.py 25 50 100 200 400
"""

import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bnnedge.lowering import LoweringConfig, lower_model

_QONNX = "qonnx.custom_op.general"
_WIDTH = 8


def chain(layers: int, *, residual: bool) -> onnx.ModelProto:
    """±1 layers with bits between them; with `residual`, each adds the bits of the one before."""
    rng = np.random.default_rng(0)
    constants = [numpy_helper.from_array(np.ones(1, np.float32), "one")]
    nodes = [helper.make_node("BipolarQuant", ["x", "one"], ["bits"], domain=_QONNX)]
    made, before = "bits", "bits"
    for number in range(layers):
        weights = rng.choice(np.float32([-1, 1]), (_WIDTH, _WIDTH))
        constants.append(numpy_helper.from_array(weights, f"w{number}"))
        nodes.append(helper.make_node("MatMul", [made, f"w{number}"], [f"sum{number}"]))
        made = f"sum{number}"
        steps = ["BipolarQuant"] if number < layers - 1 else []
        if steps and residual and number:
            steps += ["Add", "BipolarQuant"]
        for place, op in enumerate(steps):
            inputs = [made, before if op == "Add" else "one"]
            domain = "" if op == "Add" else _QONNX
            made = f"step{number}_{place}"
            nodes.append(helper.make_node(op, inputs, [made], domain=domain))
        before = made
    entry, result = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, _WIDTH]) for name in ("x", made)
    )
    graph = helper.make_graph(nodes, "chain", [entry], [result], constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(_QONNX, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def cpu_seconds() -> float:
    """Of this process and its children."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime for usage in usages)


def main(sizes: list[int]) -> None:
    """Print a line for each length."""
    config = LoweringConfig(check_images=16)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chain.onnx"
        for size in [2, *sizes]:  # the first one imports
            seconds = []
            for residual in (False, True):
                onnx.save(chain(size, residual=residual), path)
                before = cpu_seconds()
                lower_model(path, config)
                seconds.append(cpu_seconds() - before)
            if size > 2:
                print(f"{size:5} layers: plain {seconds[0]:6.2f} s, residual {seconds[1]:6.2f} s")


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [25, 50, 100, 200, 400])
