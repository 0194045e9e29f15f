"""The stage: package in, what its examples gave on the simulated device out."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bnnedge import tools
from bnnedge.artifacts import Artifact, stage
from bnnedge.deployment.deploy import Deployment, deploy

_IMAGES = 16


def prove(package: Path, out: Path, *, run: Callable[..., Deployment] = deploy) -> Artifact:
    """Run the first examples of a package on the simulated device, and keep what it said.

    Args:
        package: folder written by `package`.
        out: folder to publish.
        run: what deploys it: `deploy`, or what verifies the package's RTL first.

    Raises:
        DeploymentError, ToolMissingError, SimulationError: see `deploy`.
    """

    def write(folder: Path) -> Mapping[str, Any]:
        return dataclasses.asdict(run(package, images=_IMAGES))

    return stage(
        "deploy",
        out,
        write,
        config={"images": _IMAGES},
        inputs=(package,),
        tools=lambda: {name: tools.version(name) for name in ("verilator", "g++")},
    )
