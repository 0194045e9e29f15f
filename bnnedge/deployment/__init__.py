"""From a built design to a board: the package with its driver, and proving it."""

from bnnedge.deployment.deploy import deploy, open_package
from bnnedge.deployment.facts import Deployment
from bnnedge.deployment.package import DATAFLOW_FOLDER, RTL_FOLDER, package
from bnnedge.deployment.stage import prove
from bnnedge.links.simulated_serial import LineFaults

__all__ = [
    "DATAFLOW_FOLDER",
    "RTL_FOLDER",
    "Deployment",
    "LineFaults",
    "deploy",
    "open_package",
    "package",
    "prove",
]
