"""A small page with the gallery and the table of images alone, from made-up arrays and rows."""

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from oncorobust.report.page.gallery import Gallery, GallerySource, gallery_view
from oncorobust.report.page.images import ImageRows, ImagesSource, images_view
from oncorobust.report.page.inline import TEMPLATES, inline

EPSILONS = (0.001, 0.004, 0.02)
UNIT = (1400.0, "HU")
HOSTILE = (
    "<script>document.title = 'ran'</script>",
    "</script><img src=x onerror=\"document.title='ran'\">",
    "\"quoted\" 'twice' & <b>bold</b> {{ 7 * 7 }} \\u003c",
    "long-" + "x" * 10_000,
)
"""Ids with markup, quotes and 10,000 characters."""


def gallery_source(*, dataset="lidc", model="clean", ids=("a", "b"), side=8, classes=("benign", "malignant"), seed=0):
    """The first image flips from the second epsilon on, the second nowhere."""
    rng, k, n = np.random.default_rng(seed), len(ids), len(classes)
    y, x = np.mgrid[:side, :side] / side
    images = np.stack([np.exp(-20 * ((x - 0.5) ** 2 + (y - 0.3 - 0.1 * one) ** 2)) for one in range(k)])
    images = np.repeat((0.2 + 0.6 * images)[..., None], 3, axis=-1).astype(np.float32)
    signs = rng.choice([-1.0, 1.0], size=images.shape)
    clean = np.zeros((k, n), np.float32)
    clean[:, 0] = 2.0
    logits = np.stack([clean] * len(EPSILONS))
    logits[1:, 0, 1] = 4.0
    gallery = Gallery(
        epsilons=np.array(EPSILONS),
        image_ids=np.array(ids),
        reasons=np.array((["most sensitive", "least sensitive"] * k)[:k]),
        labels=np.zeros(k, dtype=np.int64),
        images=images,
        adversarial=np.stack([np.clip(images + e * signs, 0, 1) for e in EPSILONS]).astype(np.float32),
        logits_clean=clean,
        logits=logits,
        attacks=np.full((len(EPSILONS), k), "fgsm"),
    )
    title = dataset.upper()
    return GallerySource(
        dataset=dataset,
        title=title,
        model=model,
        model_title=model,
        class_names=classes,
        unit=UNIT,
        gallery=gallery,
    )


def image_rows(ids, *, models=("clean", "hardened"), seed=0):
    """Made-up rows of these images; a third of the minimal epsilons is infinite, and many values are equal."""
    rng, n = np.random.default_rng(seed), len(ids)
    images = pd.DataFrame(
        {
            "image_id": list(ids),
            "patient_id": [f"P{one}" for one in rng.integers(0, max(2, n // 3), n)],
            "label": rng.integers(0, 2, n),
            "split": "test",
            "source": [f"{one}.png" for one in range(n)],
            "site": rng.choice(["north", "south", ""], n),
            "age": [str(one) for one in range(n)],
            "position": np.arange(n),
        }
    )

    def of_model():
        flipped = np.where(rng.random(n) < 1 / 3, np.inf, np.round(rng.lognormal(-5, 1, n), 4))
        return pd.DataFrame(
            {
                "predicted": rng.integers(0, 2, n),
                "margin": np.round(rng.normal(size=n), 3),
                "last_safe": np.where(np.isinf(flipped), 0.02, 0.9 * flipped),
                "first_flipped": flipped,
            },
            index=images["image_id"],
        )

    return ImageRows(images.set_index("image_id", drop=False), {name: of_model() for name in models})


def images_source(rows, *, key="lidc", anchors=()):
    n = len(rows.images)
    return ImagesSource(
        key=key,
        title=key.upper(),
        class_names=("benign", "malignant"),
        unit=UNIT,
        epsilons=EPSILONS,
        rows=rows,
        pixels=np.random.default_rng(1).random((n, 4, 4, 1)).astype(np.float32),
        anchors=dict(anchors),
        files=[f"reports/{key}/clean/predictions.csv"],
    )


def exhibits_page(galleries, images):
    """The partials under the policy, style sheets and scripts of the whole page."""
    environment = Environment(
        loader=PackageLoader("oncorobust", TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    held = inline()
    return environment.from_string(
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>exhibits</title>'
        '<meta http-equiv="Content-Security-Policy" content="{{ held.policy }}"><style>{{ held.style | safe }}</style>'
        '</head><body><header><button id="theme" type="button" hidden>Dark theme</button></header><main>'
        "{% include '_gallery.html.j2' %}{% include '_images.html.j2' %}</main>"
        "{% for one in held.scripts %}<script>{{ one | safe }}</script>{% endfor %}</body></html>"
    ).render(held=held, gallery=gallery_view(galleries), images=images_view(images))
