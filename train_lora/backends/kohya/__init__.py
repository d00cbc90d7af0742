"""Training with kohya's sd-scripts: a builder of its command line, and a thin runner around the process."""

from .drive import Limits
from .setup import KohyaSetup, find_setup
from .trainer import KohyaTrainer

__all__ = ["KohyaSetup", "KohyaTrainer", "Limits", "find_setup"]
