"""Settings of the attacks of both protocols, and of the ranking by sensitivity."""

from typing import Annotated, Literal

from msgspec import Meta

from oncorobust.settings.base import Count, Epsilon, Settings, Share


class IterativeAttack(Settings, frozen=True, kw_only=True):
    """BIM or PGD. rel_eps_step is eps_step / epsilon; num_random_init 0 starts at the image itself, as ART has it."""

    max_iter: Count
    rel_eps_step: Annotated[float, Meta(gt=0, le=1)]
    num_random_init: Annotated[int, Meta(ge=0)]


class Apgd(Settings, frozen=True, kw_only=True):
    """Auto-PGD on the margin. n_targets: with more than two classes, how many of the likeliest are aimed at singly."""

    max_iter: Count
    num_random_init: Annotated[int, Meta(ge=0)]
    n_targets: Count


class Fmn(Settings, frozen=True, kw_only=True):
    """The fast minimum-norm attack."""

    max_iter: Count


class Square(Settings, frozen=True, kw_only=True):
    """ART's gradient-free Square attack. max_queries: predictions it may ask for, an image."""

    max_queries: Count


class Converged(Settings, frozen=True, kw_only=True):
    """PGD with so many small steps that more would change nothing."""

    max_iter: Count
    rel_eps_step: Annotated[float, Meta(gt=0, le=1)]


ThreatName = Literal["full", "tied", "lesion", "background", "stored_8", "stored_12", "stored_16", "noise"]
"""What an imaging chain allows an attack to change; `engine.threats` says what each means."""

NoiseKind = Literal["uniform", "sign"]
"""Noise uniform in the ball, or of size epsilon and random sign at every pixel."""


class Strict(Settings, frozen=True, kw_only=True):
    """The strict protocol beyond Table S1: the search for each image's smallest epsilon, and the suite.

    relative_width: widest interval [last safe, first flipped], as a share of first_flipped.
    search_precision: `tf32` lets the search's gradients on a GPU run in TF32; every success is confirmed in float32.
    threats: threat models under which PGD attacks again, at each data set's threat_epsilons; none where empty.
    """

    relative_width: Share
    search_precision: Literal["float32", "tf32"]
    apgd: Apgd
    fmn: Fmn
    square: Square
    converged: Converged
    threats: tuple[ThreatName, ...]
    noise: NoiseKind


Protocol = Literal["paper", "strict"]
"""How robustness is measured: as the paper did, or as the strictest reviewer asks."""


class Attacks(Settings, frozen=True, kw_only=True):
    """The attacks of Table S1, shared by all data sets; FGSM has no settings of its own.

    protocols: which of the two run; tables show them side by side.
    batch_size: images attacked at a time; random starts are drawn for a batch at once, so results depend on it.
    table_epsilons: epsilons of Tables 1 and S5, attacked beside each data set's own grid.
    """

    protocols: Annotated[tuple[Protocol, ...], Meta(min_length=1)]
    batch_size: Count
    table_epsilons: Annotated[tuple[Epsilon, ...], Meta(min_length=1)]
    bim: IterativeAttack
    pgd: IterativeAttack
    strict: Strict


class Attack(Settings, frozen=True, kw_only=True):
    """The epsilon grid of a data set's figures; its largest epsilon is also where the strict search ends.

    max_images: attack and rank at most this many test images, drawn with the seed; null takes all.
    threat_epsilons: epsilons at which the threat models of the strict protocol are compared.
    example_epsilon: epsilon of the adversarial examples in Figure 1.
    """

    epsilons: Annotated[tuple[Epsilon, ...], Meta(min_length=1)]
    threat_epsilons: Annotated[tuple[Epsilon, ...], Meta(min_length=1)]
    example_epsilon: Epsilon
    max_images: Count | None


class Rank(Settings, frozen=True, kw_only=True):
    """Sensitivity: the smallest epsilon of this grid at which PGD changes the prediction.

    exclude_share: share of the most sensitive images left out of the second accuracy of Table 2.
    """

    epsilons: Annotated[tuple[Epsilon, ...], Meta(min_length=1)]
    num_random_init: Annotated[int, Meta(ge=0)]
    exclude_share: Share
