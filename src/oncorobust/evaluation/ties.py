"""Images at which a model's gradient is not finite: attacks go on from points beside them, and a warning names them."""

from collections.abc import Sequence

from oncorobust.attacks.art_classifier import KerasClassifier
from oncorobust.data.dataset import LabelledImages
from oncorobust.evaluation.blocks import blocks_of

_AT_ONCE = 256
"""Images per gradient pass."""


def images_at_ties(classifier: KerasClassifier, data: LabelledImages) -> list[str]:
    """Return the ids of images at which the loss gradient is not finite; attacks take it beside them."""
    found: list[str] = []
    for at in blocks_of(len(data), _AT_ONCE):
        x = data.images(at)
        finite = classifier.has_finite_gradient(x, classifier.predict(x).argmax(axis=1))
        found += data.rows["image_id"].iloc[at][~finite].tolist()
    return found


def tie_warning(image_ids: Sequence[str]) -> str | None:
    """Return a warning that names images at which the gradient is not finite, None if there are none."""
    if not image_ids:
        return None
    rest = f" and {len(image_ids) - 5} more" if len(image_ids) > 5 else ""
    return (
        f"the gradient is not finite at {len(image_ids)} images ({', '.join(image_ids[:5])}{rest}), for example "
        "because they are constant: attacks took it from points beside them"
    )
