"""Training: a recipe becomes a checkpoint folder. `train` imports torch only when it runs."""

from bnnedge.training.config import EpochReport, TeacherConfig, TrainingConfig
from bnnedge.training.stage import train

__all__ = ["EpochReport", "TeacherConfig", "TrainingConfig", "train"]
