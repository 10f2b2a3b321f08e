"""Settings of the certificates by randomized smoothing."""

from typing import Annotated, Literal

from msgspec import Meta

from oncorobust.settings.base import Count, Settings

Sigma = Annotated[float, Meta(gt=0, le=10)]
"""Standard deviation of the noise, in [0, 1] pixel units."""

SmoothingKind = Literal["tied", "untied", "lesion"]
"""Which values the noise changes one by one, and a change within the certified epsilon may change."""


class CertifyAttack(Settings, frozen=True, kw_only=True):
    """PGD on the smoothed model itself, whose gradient is the mean over draws of noise."""

    max_iter: Count
    """Number of steps at each epsilon."""
    n_draws: Count
    """Draws of noise behind the gradient of a step. Unit: draws. Source: Salman et al. 2019."""


class Certify(Settings, frozen=True, kw_only=True):
    """Randomized smoothing: the smoothed model answers as the model does most often under Gaussian noise."""

    sigmas: Annotated[tuple[Sigma, ...], Meta(min_length=1)]
    """Standard deviations of the noise, strictly increasing. The one shown is chosen on validation patients: of those
    with a balanced accuracy above that of one answer for all images, the largest mean certified accuracy over
    `attacks.table_epsilons`, the smaller one if several have it; the smallest sigma if there is none. Unit: pixel value
    in [0, 1]. Source: Cohen, Rosenfeld and Kolter 2019."""
    noise: SmoothingKind
    """`tied`: one draw for each pixel, equal in all channels, for grey images; a change within the certified epsilon
    keeps the image grey. `untied`: one draw for each pixel and channel. `lesion`: one draw for each pixel of the
    lesion's box, so that the pixels outside may not change; images without a box are left out."""
    n_selection: Count
    """Samples that choose the answer of each image. Unit: samples. Source: Cohen, Rosenfeld and Kolter 2019."""
    n_samples: Count
    """Largest number of further samples that estimate the share of that answer. An image takes fewer where more cannot
    change its result at `attacks.table_epsilons`, or hardly will. Unit: samples. Source: Cohen, Rosenfeld and Kolter
    2019."""
    alpha: Annotated[float, Meta(gt=0, le=0.5)]
    """Largest probability that a certificate is wrong. Source: Cohen, Rosenfeld and Kolter 2019."""
    alpha_of: Literal["image", "table"]
    """Whether `alpha` holds for each image on its own, or for all test images of a model together (Bonferroni)."""
    max_images: Count | None
    """Certify at most this many of the attacked test images, drawn with the seed; null takes all. Unit: images."""
    validation_images: Annotated[int, Meta(ge=0)]
    """Number of validation images on which sigma is chosen; 0 for none, if there is one sigma. Unit: images."""
    attack: CertifyAttack
    """Attack on the smoothed model at the chosen sigma, which bounds its robust accuracy from above."""
