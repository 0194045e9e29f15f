"""From a built design to a board: the package with its driver, and proving it."""

from bnnedge.deployment.deploy import Deployment, deploy
from bnnedge.deployment.package import BoardDevice, package
from bnnedge.deployment.simulated import LineFaults

__all__ = ["BoardDevice", "Deployment", "LineFaults", "deploy", "package"]
