"""Captions of the figures on the page; sentences about a protocol or certificates appear only where a run has them."""

from collections.abc import Mapping

from oncorobust.settings.attacks import Protocol

_FIGURE_2: dict[Protocol, str] = {
    "paper": "Solid: predicted labels, as in the paper. Dashed: true labels.",
    "strict": "Heavy black line: strict, the worst case over all attacks.",
}
_FLOOR = "Dotted: for two classes, the minimum of the accuracy with predicted labels, 1 − clean accuracy."
_CERTIFIED_CURVES = (
    "Light blue: the smoothed clean model, not the model itself. Dash-dotted: certified accuracy, a lower bound of its "
    "accuracy under any change within epsilon, with its 95 % interval. Dotted: its accuracy under an attack on itself, "
    "an upper bound."
)
_ACQUISITION = (
    "Accuracy by the size of a change, in l_inf (left) and l2 (right), for each attacked model. Coloured markers: "
    "changes that a scanner, a protocol or an archive makes, one marker for each severity, at the median size of the "
    "change; a change of size 0 has no place on the axis. Grey: noise of the same sizes. Black: an attack of that "
    "size, with its 95 % interval; for l2 the nearest image found with another answer{strict}. The distance from the "
    "black line to the markers is how far from natural changes the attacker is."
)
_STRICT_SIZE = ", for l_inf the strict worst case over all attacked images"
_FIGURE_3: dict[Protocol, str] = {
    "paper": "Predicted labels and true labels: the label that the paper’s attacks move away from.",
    "strict": "Strict: each attack together with all before it, in the order FGSM, BIM, PGD; black: the worst case "
    "over all attacks.",
}


def figure_captions(
    protocols: frozenset[Protocol], *, two_classes: bool, paper: bool, certified: bool
) -> tuple[str, ...]:
    """Return the captions of Figures 1 to 8.

    two_classes: whether some data set has two classes. paper: whether the paper's numbers stand beside some data set.
    certified: whether some data set has certificates.
    """
    marks = [_FLOOR] if two_classes and "paper" in protocols else []
    marks += ["Hollow diamonds: the paper’s Table 1."] if paper else []
    marks += [_CERTIFIED_CURVES] if certified else []
    return (
        "Clean images and their adversarial counterparts under FGSM, PGD and BIM. Below each image: the class that the "
        "clean model predicts and its probability, bold with a cross where the class differs from that of the clean "
        "image. The small images are the differences about middle grey, magnified by the factor below them.",
        " ".join(
            [
                "Accuracy of the clean models under attack by epsilon, with 95 % intervals as bands.",
                _join(_FIGURE_2, protocols),
                *marks,
            ]
        ),
        "Accuracy under attack before (dashed, hollow) and after (solid, filled) adversarial training, with 95 % "
        "intervals as bands. "
        f"{_join(_FIGURE_3, protocols)} Dotted: the epsilon of Table S5.",
        "Selective prediction with the clean models: the share of errors among the accepted images over their share of "
        "all images, by the score that decides which images are accepted. Bands: 95 % intervals. "
        "A score that tells right from wrong answers lies below the random one.",
        "Minimal epsilons under the strict protocol: the share of a model’s correctly classified images that withstand "
        "an epsilon, for the clean (dashed) and the adversarially trained model (solid). The line follows first "
        "flipped; the strip below it reaches to last safe, and the curve sought lies between them. Bands: 95 % "
        "intervals over patients, from the lower end for last safe to the upper end for first flipped. Crosses: images "
        "that no attack flipped up to the largest epsilon searched (right-censored).",
        "Bounds of each test image that the smoothed clean model answers right. Bar: the certified epsilon, within "
        "which no change alters its answer. Triangle: the smallest epsilon at which an attack on the smoothed model "
        "succeeded; filled, at the edge: none did. Grey: the interval of the strict search on the model itself, "
        "which is another model.",
        "Clean accuracy against accuracy under attack at the epsilon of Table S5, for the clean (hollow) and the "
        "adversarially trained model (filled). An arrow to the right is a gain of accuracy under attack, an arrow "
        "downwards its price in clean accuracy. Bars: 95 % intervals over patients. The command oncorobust front draws "
        "the same for a sweep of settings, on validation images.",
        _ACQUISITION.format(strict=_STRICT_SIZE if "strict" in protocols else ""),
    )


def _join(texts: Mapping[Protocol, str], protocols: frozenset[Protocol]) -> str:
    return " ".join(text for protocol, text in texts.items() if protocol in protocols)
