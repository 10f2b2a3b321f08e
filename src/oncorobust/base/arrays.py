"""Array types that annotations across the library share.

Images are float32 in [0, 1], labels are class indices, logits are unnormalised scores. The annotations cost nothing at
run time, except in the tests, which check them (jaxtyping with beartype).
"""

import numpy as np
from jaxtyping import Bool, Float, Int

Images = Float[np.ndarray, "n h w c"]
"""Images in [0, 1], channels last."""

Image = Float[np.ndarray, "h w c"]
"""One image in [0, 1], channels last."""

Labels = Int[np.ndarray, " n"]
"""Class indices, from 0."""

Logits = Float[np.ndarray, "n classes"]
"""Unnormalised scores, one row per image."""

Flags = Bool[np.ndarray, " n"]
"""One Boolean per image."""

PerImage = Float[np.ndarray, " n"]
"""One number per image."""
