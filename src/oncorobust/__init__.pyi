# The public names and their modules, once: `__init__.py` reads this file when a name is first used, type checkers and
# editors read it too.
from oncorobust.attacks.art_attack import LinfPGD
from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.attacks.goals import Goal, leave, leave_for
from oncorobust.attacks.linf import Ball, Found, pgd, walk
from oncorobust.attacks.minimal_epsilon import Intervals, Stage, search
from oncorobust.attacks.target import Target
from oncorobust.backend.runtime import prepare
from oncorobust.base.errors import InputError
from oncorobust.certificates.certify import Certificate
from oncorobust.certificates.noise import SmoothingNoise
from oncorobust.certificates.plan import SamplingPlan
from oncorobust.certificates.smoothed import Smoothed
from oncorobust.data.dataset import LabelledImages, load
from oncorobust.evaluation.intervals import share_interval
from oncorobust.models.torch_module import torch_classifier
from oncorobust.models.vgg16 import load_classifier

__all__ = [
    "Ball",
    "Certificate",
    "Found",
    "Goal",
    "InputError",
    "Intervals",
    "KerasClassifier",
    "LabelledImages",
    "LinfPGD",
    "SamplingPlan",
    "Smoothed",
    "SmoothingNoise",
    "Stage",
    "Target",
    "leave",
    "leave_for",
    "load",
    "load_classifier",
    "pgd",
    "prepare",
    "search",
    "share_interval",
    "torch_classifier",
    "walk",
]
__version__: str
