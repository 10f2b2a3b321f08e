"""The smoothed model as a classifier: the class that a model gives most often under Gaussian noise, or none.

`predict` abstains where the noisy answers do not favour one class clearly enough; `certify` adds the epsilon within
which the answer cannot change. Source: Cohen, Rosenfeld and Kolter 2019, PREDICT and CERTIFY.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oncorobust.base.arrays import Image, Images, Labels
from oncorobust.base.seeds import child_seed
from oncorobust.certificates.certify import Certificate, certify
from oncorobust.certificates.inputs import check_images, check_masks
from oncorobust.certificates.noise import Mask, Masks, SmoothingNoise
from oncorobust.certificates.packed import LogitsFunction, run_jobs
from oncorobust.certificates.plan import SamplingPlan
from oncorobust.certificates.vote import Vote

ABSTAINED = -1
"""The prediction of an image for which no class clearly leads."""


@dataclass(frozen=True)
class Smoothed:
    """A model under Gaussian noise.

    logits: images (n, h, w, c) -> logits (n, classes), such as `Target(model).logits`. noise, plan: of the smoothing.
    seed: of the noise; an image's noise depends on the seed and its own pixels, not on the images beside it.
    """

    logits: LogitsFunction
    noise: SmoothingNoise
    plan: SamplingPlan
    seed: int = 0

    def predict(self, x: Images, *, masks: Masks | None = None) -> Labels:
        """Return the class of each image (n, h, w, c), or `ABSTAINED`.

        A class that is not the most probable one under noise is returned with probability at most `plan.alpha`: the
        binomial test takes an equal share of it at 16, 32, 64, ... samples, up to `plan.n_samples`.

        Raises InputError as `certify` does.
        """
        check_images(x)
        check_masks(masks, x)
        seeds = self._seeds(x, "predict")
        jobs = []
        for place, image in enumerate(x):
            vote = Vote(self.plan.n_samples, alpha=self.plan.alpha)
            mask = None if masks is None else masks[place]
            jobs.append(_Job(str(place), image, mask, self.noise, vote, seeds[place]))
        run_jobs(self.logits, jobs, batch_size=self.plan.batch_size)
        return np.array([job.vote.leading if job.vote.clear else ABSTAINED for job in jobs], dtype=np.int64)

    def certify(self, x: Images, *, epsilons: Sequence[float], masks: Masks | None = None) -> list[Certificate]:
        """Return the certificate of each image (n, h, w, c); the epsilons are those at which the answer matters.

        Raises InputError as `oncorobust.certificates.certify.certify` does.
        """
        seeds = self._seeds(x, "certify")
        return certify(self.logits, x, noise=self.noise, plan=self.plan, epsilons=epsilons, seeds=seeds, masks=masks)

    def _seeds(self, x: Images, purpose: str) -> list[int]:
        return [child_seed(self.seed, purpose, hashlib.sha256(image.tobytes()).hexdigest()) for image in x]


class _Job:
    """The vote of one image."""

    def __init__(
        self, name: str, image: Image, mask: Mask | None, noise: SmoothingNoise, vote: Vote, seed: int
    ) -> None:
        self.name, self.vote = name, vote
        self._image, self._mask, self._noise = image, mask, noise
        self._rng = np.random.default_rng(seed)

    @property
    def wanted(self) -> int:
        return self.vote.wanted

    @property
    def usable(self) -> int:
        return self.vote.usable

    def draw(self, n: int) -> Images:
        return self._image + self._noise.draw(self._rng, n, shape=self._image.shape, mask=self._mask)

    def take(self, answers: Labels) -> None:
        self.vote.take(answers)
