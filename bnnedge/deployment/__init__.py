"""From a built design to a board: the package with its driver, and proving it."""

from bnnedge.deployment.deploy import Deployment, deploy
from bnnedge.deployment.package import package
from bnnedge.deployment.simulated import LineFaults

__all__ = ["Deployment", "LineFaults", "deploy", "package"]
