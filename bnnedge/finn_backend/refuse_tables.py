"""RefuseTables: what FINN has no hardware for is said before it looks for some."""

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from bnnedge.errors import DesignError
from bnnedge.names import CUSTOM_OPS


class RefuseTables(Transformation):
    """Leaves the graph as it is.

    Raises:
        DesignError: it has tables of bits; names the first node.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """See the class."""
        for node in model.graph.node:
            if node.domain == CUSTOM_OPS:
                raise DesignError(
                    f"{node.name} ({node.op_type}): FINN has no such op, nor hardware for it",
                    remedy="go on from the Dataflow: `bnnedge rtl`, or `bnnedge build`",
                )
        return model, False
