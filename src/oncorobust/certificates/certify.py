"""Certificates by randomized smoothing: the class of an image, and the l_inf epsilon within which it cannot change.

The smoothed model gives the class that the model gives most often under Gaussian noise. Samples that select the class
and samples that bound its probability come from different streams of the image's own seed, so that an image's
certificate is the same in every batch, shard and resumed run.

A forward pass in bfloat16 is allowed: it is another model with another p, which is estimated as it is. The certificate
holds for the model that was sampled. Call `certify` once for each sigma.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oncorobust.base.arrays import Image, Images, Labels
from oncorobust.base.errors import InputError
from oncorobust.base.progress import Listener
from oncorobust.certificates.counts import certified_epsilon, l2_radius
from oncorobust.certificates.inputs import check_images, check_masks
from oncorobust.certificates.noise import Mask, Masks, SmoothingNoise
from oncorobust.certificates.packed import LogitsFunction, run_jobs
from oncorobust.certificates.plan import SamplingPlan
from oncorobust.certificates.sequential import Sampling, schedule_of
from oncorobust.certificates.vote import FIRST_CHECK, Vote

_DOUBT = 0.02
"""Selection ends early once a class leads at this level of the test of PREDICT; it decides nothing that is claimed."""


@dataclass(frozen=True)
class Certificate:
    """What is guaranteed for one image, and the counts from which it follows.

    predicted: the selected class, also where the certificate abstains. selection_count, n_selection: samples with this
    class, and all, of the selection. n_samples, n_top: all samples of the estimation, and those with the class.
    look_samples, look_top, look_alpha: those of the look that gave the bound, and its share of alpha; 0 without one.
    alpha: error probability of the certificate. p_lower: lower bound of the class's probability, Clopper-Pearson's of
    the look. radius: certified l2 radius, sigma Phi^-1(p_lower). epsilon: certified l_inf epsilon, radius /
    sqrt(n_free). abstained: p_lower is not above 1/2; radius and epsilon are then 0, and nothing is guaranteed.
    """

    predicted: int
    selection_count: int
    n_selection: int
    n_samples: int
    n_top: int
    look_samples: int
    look_top: int
    look_alpha: float
    alpha: float
    p_lower: float
    radius: float
    epsilon: float
    abstained: bool
    n_free: int


def certify(
    logits: LogitsFunction,
    x: Images,
    *,
    noise: SmoothingNoise,
    plan: SamplingPlan,
    epsilons: Sequence[float],
    seeds: Sequence[int],
    masks: Masks | None = None,
    listener: Listener | None = None,
) -> list[Certificate]:
    """Certify images, sampling only as long as the answer at the epsilons may change (`stopping`).

    logits: (n, h, w, c) -> (n, classes), always called with `plan.batch_size` noisy images, which leave [0, 1]. x:
    (n, h, w, c) in [0, 1]. epsilons: increasing l_inf radii of the table; certificates may lie between and above them.
    seeds: one per image, such as `child_seed(seed, image_id)`. masks: pixels that noise and changes may move, one mask
    per image; None is all. Source: Cohen, Rosenfeld and Kolter 2019, CERTIFY.
    Raises InputError for images outside [0, 1], seeds or masks of another number than the images, an empty mask, logits
    of one class or that are not finite, and a model that is random or depends on the other images of a batch.
    """
    check_images(x)
    check_masks(masks, x)
    if len(seeds) != len(x):
        raise InputError(f"certificate: expected one seed for each of {len(x)} images, got {len(seeds)}")
    jobs = []
    for place, (image, seed) in enumerate(zip(x, seeds, strict=True)):
        mask = None if masks is None else masks[place]
        n_free = noise.n_free(image.shape, mask)
        schedule = schedule_of(plan, sigma=noise.sigma, n_free=n_free, epsilons=tuple(epsilons))
        jobs.append(_Job(str(place), image, mask, noise, plan, Sampling(schedule), seed))

    def notify(done: int) -> None:
        if listener is not None:
            listener.update(done, len(jobs), "images certified")

    run_jobs(logits, jobs, batch_size=plan.batch_size, notify=notify)
    return [job.certificate() for job in jobs]


class _Job:
    """The sampling of one image: first the selection of a class, then the estimation of its probability."""

    def __init__(
        self,
        name: str,
        image: Image,
        mask: Mask | None,
        noise: SmoothingNoise,
        plan: SamplingPlan,
        estimation: Sampling,
        seed: int,
    ) -> None:
        self.name = name
        self._image, self._mask, self._noise, self._plan = image, mask, noise, plan
        self._estimation = estimation
        self._streams = [np.random.default_rng([seed, stream]) for stream in range(2)]
        first = plan.n_selection if plan.sampling == "fixed" else FIRST_CHECK
        self._selection = Vote(plan.n_selection, alpha=_DOUBT, first=first)

    @property
    def wanted(self) -> int:
        return self._selection.wanted or self._estimation.wanted

    @property
    def usable(self) -> int:
        return self._selection.usable or self._estimation.usable

    def draw(self, n: int) -> Images:
        rng = self._streams[self._selection.ended]
        return self._image + self._noise.draw(rng, n, shape=self._image.shape, mask=self._mask)

    def take(self, answers: Labels) -> None:
        if self._selection.ended:
            self._estimation.take(answers == self._selection.leading)
        else:
            self._selection.take(answers)

    def certificate(self) -> Certificate:
        found = self._estimation.found()
        n_free = self._noise.n_free(self._image.shape, self._mask)
        radius = float(l2_radius(found.p_lower, sigma=self._noise.sigma))
        return Certificate(
            predicted=self._selection.leading,
            selection_count=int(self._selection.counts[self._selection.leading]),
            n_selection=int(self._selection.counts.sum()),
            n_samples=found.n_samples,
            n_top=found.n_top,
            look_samples=found.look_samples,
            look_top=found.look_top,
            look_alpha=found.look_alpha,
            alpha=self._plan.alpha,
            p_lower=found.p_lower,
            radius=radius,
            epsilon=float(certified_epsilon(radius, n_free=n_free)),
            abstained=not found.p_lower > 0.5,
            n_free=n_free,
        )
