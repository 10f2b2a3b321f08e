"""Settings of the attacks of both protocols, and of the ranking by sensitivity."""

from typing import Annotated, Literal

from msgspec import Meta

from oncorobust.settings.base import Count, Epsilon, Settings, Share


class IterativeAttack(Settings, frozen=True, kw_only=True):
    """BIM or PGD."""

    max_iter: Count
    """Number of steps. Source: Table S1."""
    rel_eps_step: Annotated[float, Meta(gt=0, le=1)]
    """Size of a step, as a share of epsilon. Source: Table S1."""
    num_random_init: Annotated[int, Meta(ge=0)]
    """Number of random starts; 0 starts at the image itself, and BIM takes 0 alone. Source: released code."""


class Apgd(Settings, frozen=True, kw_only=True):
    """Auto-PGD on the margin of the logits."""

    max_iter: Count
    """Number of steps. Source: Croce and Hein 2020 (AutoAttack)."""
    num_random_init: Annotated[int, Meta(ge=0)]
    """Number of random starts; 0 starts at the image itself. Source: AutoAttack."""
    n_targets: Count
    """With more than two classes: how many of the likeliest other classes are targeted one by one."""


class Fmn(Settings, frozen=True, kw_only=True):
    """The fast minimum-norm attack."""

    max_iter: Count
    """Number of steps. Source: Pintor et al. 2021."""


class Square(Settings, frozen=True, kw_only=True):
    """ART's gradient-free Square attack."""

    max_queries: Count
    """Largest number of predictions the attack uses per image. Source: AutoAttack."""


class Converged(Settings, frozen=True, kw_only=True):
    """PGD with so many small steps that more would change nothing."""

    max_iter: Count
    """Number of steps."""
    rel_eps_step: Annotated[float, Meta(gt=0, le=1)]
    """Size of a step, as a share of epsilon."""


ThreatName = Literal["full", "tied", "lesion", "background", "stored_8", "stored_12", "stored_16", "noise"]
"""What an imaging chain allows an attack to change; `evaluation.threats` says what each means."""

NoiseKind = Literal["uniform", "sign"]
"""Noise uniform in the ball, or of size epsilon and random sign at every pixel."""


SearchPrecision = Literal["auto", "float32", "tf32", "bfloat16"]
"""`tf32`: products rounded to 10 bits, on a GPU that has it. `bfloat16`: inner layers in bfloat16, to 7 bits."""


class Strict(Settings, frozen=True, kw_only=True):
    """The strict protocol beyond Table S1: the search for each image's smallest epsilon, and the attacks it uses."""

    relative_width: Share
    """Widest interval [last safe, first flipped] of an image, as a share of first flipped."""
    search_precision: SearchPrecision
    """Precision of the search's gradients. `auto`: the fastest on this machine, measured once and told in attack.json.
    Every success is confirmed in float32, and the last attack, `converged`, is in float32 whatever the setting."""
    apgd: Apgd
    """Auto-PGD."""
    fmn: Fmn
    """Fast minimum-norm attack."""
    square: Square
    """Square attack."""
    converged: Converged
    """PGD with many small steps."""
    threats: tuple[ThreatName, ...]
    """Threat models under which PGD attacks again, at the `threat_epsilons` of each data set; [] for none. `full`:
    all pixels; `tied`: the channels of a grey image together; `lesion` and `background`: pixels inside or outside the
    lesion's box; `stored_8`, `stored_12`, `stored_16`: still adversarial after rounding to so many bits; `noise`:
    random noise of the same size."""
    noise: NoiseKind
    """Noise of the threat `noise`: `uniform` in the ball, or epsilon with a random `sign` at every pixel."""


Protocol = Literal["paper", "strict"]
"""How robustness is measured: as the paper did, or as the strictest reviewer asks."""


class Attacks(Settings, frozen=True, kw_only=True):
    """The attacks of Table S1, shared by all data sets; FGSM has no settings of its own."""

    protocols: Annotated[tuple[Protocol, ...], Meta(min_length=1)]
    """Protocols to run. The tables show both side by side."""
    batch_size: Count
    """Images attacked at a time. Random starts are drawn per batch, so results depend on it. Unit: images."""
    table_epsilons: Annotated[tuple[Epsilon, ...], Meta(min_length=1)]
    """Epsilons of Tables 1 and S5, strictly increasing, attacked in addition to the grid of each data set. Unit:
    pixel value in [0, 1]. Source: Table 1."""
    bim: IterativeAttack
    """Basic iterative method."""
    pgd: IterativeAttack
    """Projected gradient descent."""
    strict: Strict
    """What the strict protocol adds."""

    @property
    def threats(self) -> tuple[ThreatName, ...]:
        """Threat models that run; none without the strict protocol."""
        return self.strict.threats if "strict" in self.protocols else ()


class Attack(Settings, frozen=True, kw_only=True):
    """Test images and epsilons of the attacks on one data set."""

    epsilons: Annotated[tuple[Epsilon, ...], Meta(min_length=1)]
    """Epsilon grid of the figures, strictly increasing. The strict search ends at its largest epsilon, or at the
    largest of `attacks.table_epsilons` if that is larger. Unit: pixel value in [0, 1]. Source: axes of the released
    code's figures."""
    threat_epsilons: Annotated[tuple[Epsilon, ...], Meta(min_length=1)]
    """Epsilons at which the threat models are compared, strictly increasing. Unit: pixel value in [0, 1]."""
    example_epsilon: Epsilon
    """Epsilon of the adversarial examples in Figure 1. Unit: pixel value in [0, 1]."""
    max_images: Count | None
    """Attack and rank at most this many test images, drawn with the seed; null takes all. Unit: images."""


class Rank(Settings, frozen=True, kw_only=True):
    """Ranking of test images by sensitivity."""

    epsilons: Annotated[tuple[Epsilon, ...], Meta(min_length=1)]
    """Epsilon grid, strictly increasing. The sensitivity of an image, `min_epsilon`, is the smallest of these
    epsilons at which PGD changes the model's prediction. Unit: pixel value in [0, 1]. Source: sensitivity script of
    the released code."""
    num_random_init: Annotated[int, Meta(ge=0)]
    """Number of random starts of PGD; 0 starts at the image. Source: released code."""
    exclude_share: Share
    """Share of the most sensitive images left out in Table 2. Source: text of the paper."""
    largest_risk: Share
    """Largest share of errors among accepted images for which Tables R and D look for a threshold."""
    guarantee_confidence: Share
    """Confidence with which Table D guarantees this share for future patients."""
    reject_epsilon: Epsilon | None
    """Epsilon of the attacks in Table D that look for wrong answers which a score accepts, at most the largest of
    `epsilons`; null runs none. Unit: pixel value in [0, 1]."""
    validation_images: Annotated[int, Meta(ge=0)]
    """Number of validation images on which thresholds are chosen; PGD searches their minimal epsilon as that of the
    test images. 0 for none: thresholds are then chosen on the test images alone. Unit: images."""
    strict_validation_images: Annotated[int, Meta(ge=0)]
    """How many of them the strict search attacks too. 0 for none: the strict minimal epsilon has no threshold from
    validation then. Unit: images."""
    score_passes: Count
    """Passes with dropout and copies with noise behind the scores of certainty that need several. Unit: passes."""
