"""The stage: package in, what its examples gave on the simulated device out."""

from collections.abc import Callable
from pathlib import Path

from bnnedge import tools
from bnnedge.artifacts import Artifact
from bnnedge.deployment.deploy import deploy
from bnnedge.deployment.facts import DEPLOY, Deployment

_IMAGES = 16


def prove(
    package: Path, out: Path, *, run: Callable[..., Deployment] = deploy
) -> Artifact[Deployment]:
    """Run the first examples of a package on the simulated device, and keep what it said.

    Args:
        package: folder written by `package`.
        out: folder to publish.
        run: what deploys it: `deploy`, or what verifies the package's RTL first.

    Raises:
        DeploymentError, ToolMissingError, SimulationError: see `deploy`.
    """

    def write(folder: Path) -> Deployment:
        return run(package, images=_IMAGES)

    return DEPLOY.publish(
        out,
        write,
        config={"images": _IMAGES},
        inputs=(package,),
        tools=lambda: {name: tools.version(name) for name in ("verilator", "g++")},
    )
