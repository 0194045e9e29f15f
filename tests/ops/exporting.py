"""Runs modules twice: in PyTorch, and as the QONNX graph that they export to."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import onnx
import torch
from brevitas.export import export_qonnx
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from torch import Tensor, nn

from bnnedge.ops.frozen import frozen
from bnnedge.ops.normalisation import AffineBatchNorm


class _Bundle(nn.Module):
    """Several modules side by side, so that one export serves them all."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(modules)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(branch(x) for branch, x in zip(self.branches, inputs, strict=True))


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What came out of both, by name of the module.

    Attributes:
        graph: the QONNX model.
        torch: PyTorch's outputs, from the modules as they were given.
        onnx: the exported graph's.
    """

    graph: onnx.ModelProto
    torch: dict[str, Tensor]
    onnx: dict[str, Tensor]

    def op_types(self) -> list[str]:
        return [node.op_type for node in self.graph.graph.node]

    def assert_equal(self) -> None:
        """Bit for bit, apart from the sign of a zero."""
        assert self.torch.keys() == self.onnx.keys()
        for name, wanted in self.torch.items():
            assert torch.equal(self.onnx[name], wanted), name


def export_and_run(cases: dict[str, tuple[nn.Module, Tensor]]) -> Exported:
    """Export {name: (module, input)} in evaluation mode as one graph, and run it in qonnx."""
    modules = [module.eval() for module, _ in cases.values()]
    inputs = [x for _, x in cases.values()]
    names = [f"in{i}" for i in range(len(cases))], [f"out{i}" for i in range(len(cases))]
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        wanted = [module(x) for module, x in zip(modules, inputs, strict=True)]
        graph = export_qonnx(
            frozen(_Bundle(modules)),
            tuple(inputs),
            dynamo=True,
            optimize=True,
            input_names=names[0],
            output_names=names[1],
            verbose=False,
        )
    logging.disable(level)
    values = {name: x.numpy() for name, x in zip(names[0], inputs, strict=True)}
    got = execute_onnx(ModelWrapper(graph), values)
    return Exported(
        graph=graph,
        torch=dict(zip(cases, wanted, strict=True)),
        onnx={name: torch.from_numpy(got[key]) for name, key in zip(cases, names[1], strict=True)},
    )


def settle_norms(module: nn.Module, seed: int = 0) -> None:
    """Give BatchNorms the statistics that make trouble: integer means, ties, negative scales."""
    generator = torch.Generator().manual_seed(seed)
    for norm in module.modules():
        if isinstance(norm, AffineBatchNorm):
            assert norm.running_mean is not None and norm.running_var is not None
            size = norm.running_mean.shape
            norm.running_mean.copy_(torch.randint(-3, 4, size, generator=generator).float())
            norm.running_var.copy_(torch.rand(size, generator=generator) * 40)
            norm.weight.data.copy_(torch.randn(size, generator=generator))
            norm.bias.data.copy_(torch.randint(0, 2, size, generator=generator) * 0.3)


def awkward(*shape: int, seed: int = 0) -> Tensor:
    """Reals with many exact zeros of both signs, ties, ±1, and a few that are tiny or huge."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator)
    special = torch.tensor([0.0, -0.0, 1.0, -1.0, 1e-38, -1e-38, 3e4, -3e4, 0.5, -0.5])
    picks = special[torch.randint(0, len(special), shape, generator=generator)]
    return torch.where(torch.rand(shape, generator=generator) < 0.5, x, picks)
