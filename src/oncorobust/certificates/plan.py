"""How many noisy samples an image may take, and at what error probability.

Cohen's procedure: `n_selection` samples choose the class, `n_samples` other ones bound its probability. Samples used
twice would bound the probability of a class that was chosen because these samples favour it.
"""

from dataclasses import dataclass, replace
from typing import Literal

from oncorobust.base.errors import InputError
from oncorobust.certificates.counts import check_alpha, samples_needed

Sampling = Literal["sequential", "fixed"]
"""Stop where further samples cannot or hardly change the answer at the table's epsilons, or always take all of them."""


@dataclass(frozen=True)
class SamplingPlan:
    """Largest numbers of samples per image and the error probability of its certificate.

    n_selection: samples that choose the class, at most. n_samples: samples that bound its probability, at most; more
    certify larger epsilons. alpha: largest probability, per image, that the certificate claims too much; for one
    guarantee over all images of a table see `shared`. sampling: `sequential`, or `fixed` for Cohen's procedure.
    batch_size: noisy images per forward pass. Raises InputError for values that cannot certify anything.
    """

    n_selection: int = 100
    n_samples: int = 2000
    alpha: float = 0.001
    sampling: Sampling = "sequential"
    batch_size: int = 128

    def __post_init__(self) -> None:
        """Check the values."""
        check_alpha(self.alpha)
        for name in ("n_selection", "batch_size"):
            if not getattr(self, name) >= 1:
                raise InputError(f"sampling plan: expected {name} of at least 1, got {getattr(self, name)}")
        if self.sampling not in ("sequential", "fixed"):
            raise InputError(f"sampling plan: expected sampling sequential or fixed, got {self.sampling!r}")
        smallest = samples_needed(0.0, sigma=1.0, n_free=1, alpha=self.alpha)
        if not self.n_samples >= smallest:
            raise InputError(
                f"sampling plan: expected n_samples of at least {smallest}, the fewest that can certify anything at "
                f"alpha {self.alpha}, got {self.n_samples}"
            )

    def shared(self, n_images: int) -> "SamplingPlan":
        """Return the plan with alpha / n_images: all certificates of n_images hold with probability 1 - alpha.

        Raises InputError if n_samples is too few for that.
        """
        if n_images < 1:
            raise InputError(f"sampling plan: expected at least one image to share alpha, got {n_images}")
        return replace(self, alpha=self.alpha / n_images)
