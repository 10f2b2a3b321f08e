"""Notes on the images of a data set that only their pixels tell, taken while the images are converted one by one."""

from dataclasses import dataclass, field

from oncorobust.data.channels import channel_spread
from oncorobust.formats.records import StoredImage
from oncorobust.settings.data import Preprocess

_NAMED = 3
"""Number of files that a note names."""
_FAINT_COLOUR = 1 / 16
"""Share of the range up to which differences between channels may be those of lossy compression."""


@dataclass
class SeenImages:
    """What the images seen so far have in common, about 100 bytes per image that is not square."""

    n: int = 0
    not_square: list[tuple[float, str]] = field(default_factory=list)
    """Share of the pixels outside the central square, and the file with its size."""
    oriented: list[str] = field(default_factory=list)
    n_grey: int = 0
    n_equal: int = 0
    n_colour: int = 0
    spread: float = 0.0
    lowest: float = float("inf")
    highest: float = float("-inf")
    limits: tuple[float, float] | None = None
    n_padded: int = 0
    n_padded_lossy: int = 0
    padded_share: float = 0.0

    def add(self, stored: StoredImage, source: str) -> None:
        """Add an image as stored."""
        self.n += 1
        height, width = stored.values.shape[:2]
        if height != width:
            loss = 1 - min(height, width) / max(height, width)
            self.not_square.append((loss, f"{source!r} ({height} x {width})"))
        if stored.oriented:
            self.oriented.append(source)
        self._add_channels(stored)
        self.lowest = min(self.lowest, float(stored.values.min()))
        self.highest = max(self.highest, float(stored.values.max()))
        self.limits = stored.limits
        if stored.padded is not None and stored.padded.any():
            self.n_padded += 1
            self.n_padded_lossy += stored.lossy
            self.padded_share += float(stored.padded.mean())

    def _add_channels(self, stored: StoredImage) -> None:
        spread = channel_spread(stored.values)
        self.n_grey += stored.values.ndim == 2
        self.n_equal += stored.values.ndim == 3 and spread == 0
        self.n_colour += spread > 0
        self.spread = max(self.spread, spread)

    def notes(self, settings: Preprocess, *, channels: int) -> list[str]:
        """Return notes on shape, orientation, channels, padding and the range of values."""
        found = (
            self._on_shape(settings),
            self._on_orientation(),
            self._on_channels(settings, channels),
            self._on_padding(),
            self._on_range(settings),
        )
        return [note for note in found if note]

    def _on_shape(self, settings: Preprocess) -> str:
        if not self.not_square:
            return ""
        start = f"{len(self.not_square)} of {self.n} images are not square"
        losses = sorted(self.not_square, key=lambda pair: (-pair[0], pair[1]))
        names = ", ".join(name for _, name in losses[:_NAMED])
        names += " and others" if len(losses) > _NAMED else ""
        if settings.fit == "pad":
            return f"{start} and were padded with black (preprocess.fit: pad): {names}"
        least, most = (f"{100 * loss:.3g}" for loss, _ in (losses[-1], losses[0]))
        return (
            f"{start}: the central square leaves out {most if least == most else f'{least} to {most}'} % of their "
            f"pixels, most in {names}; preprocess.fit: pad keeps them whole"
        )

    def _on_orientation(self) -> str:
        if not self.oriented:
            return ""
        return (
            f"{len(self.oriented)} of {self.n} images were turned or mirrored as their orientation tag says, for "
            f"example {self.oriented[0]!r}"
        )

    def _on_channels(self, settings: Preprocess, channels: int) -> str:
        wanted = f"(preprocess.channels: {settings.channels})"
        if channels == 1 and self.n_colour:
            return f"{self.n_colour} of {self.n} images in colour were replaced by their luminance {wanted}"
        if channels == 1 and self.n_equal:
            return f"{self.n_equal} of {self.n} images are grey, stored in three equal channels; one was kept {wanted}"
        if settings.channels == "colour" and self.n_grey + self.n_equal:
            return f"{self.n_grey + self.n_equal} of {self.n} images are grey and have three equal channels {wanted}"
        if channels == 3 and self.limits and self.spread <= _FAINT_COLOUR * (self.limits[1] - self.limits[0]):
            return (
                f"the channels of a pixel differ by at most {self.spread:g}: if the images are grey, set "
                "preprocess.channels to grey"
            )
        return ""

    def _on_padding(self) -> str:
        if not self.n_padded:
            return ""
        share = f"{100 * self.padded_share / self.n_padded:.3g} %"
        lossy = (
            f"; {self.n_padded_lossy} of them are compressed with loss, so that padding is found by its neighbourhood"
            if self.n_padded_lossy
            else ""
        )
        return (
            f"{self.n_padded} of {self.n} images have padding (PixelPaddingValue), on average {share} of their pixels, "
            f"which hold the lowest value of the others{lossy}"
        )

    def _on_range(self, settings: Preprocess) -> str:
        if settings.intensity_range != "format" or self.limits is None:
            return ""
        low, high = self.limits
        if self.highest == self.lowest or self.highest - self.lowest > (high - low) / 2:
            return ""
        return (
            f"the values reach from {self.lowest:g} to {self.highest:g} and use {self._used():.2g} % of the format's "
            f"range {low:g} to {high:g}, so that the images have little contrast: set preprocess.intensity_range to "
            f"{self._suggested()} or training"
        )

    def _used(self) -> float:
        low, high = self.limits or (0.0, 1.0)
        return 100 * (self.highest - self.lowest) / (high - low)

    def _suggested(self) -> str:
        """Return the smallest range of whole bits that holds the values, or else the values' own range."""
        if self.lowest >= 0 and self.highest <= ((self.limits or (0.0, 0.0))[1]) / 2:
            return f"[0, {2 ** int(self.highest).bit_length() - 1}]"
        return f"[{self.lowest:g}, {self.highest:g}]"
