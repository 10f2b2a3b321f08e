"""Train the VGG16 under attack on drawn images for a fixed number of updates, and leave its weights in a file."""

import argparse
import time

import msgspec
import numpy as np
from inputs import draw, prepared, seeded_vgg16, synchronise, weights_file
from part import Notes
from subject import preset

from oncorobust.attacks.target import Target
from oncorobust.settings.training import Adam
from oncorobust.training.step import compile_clean_step, make_trainee

BATCH, N_IMAGES = 32, 512


def measure(options: argparse.Namespace, notes: Notes) -> None:
    """Train with the project's own clean step, inner layers in bfloat16 on a GPU; note accuracy on other images."""
    found = prepared(options)
    precision = "mixed" if found["type"] == "cuda" else "float32"
    settings = preset("paper").datasets["lidc"].train
    optimizer = Adam(learning_rate=1e-4, weight_decay=0)
    settings = msgspec.structs.replace(settings, precision=precision, optimizer=optimizer)
    model = seeded_vgg16(options.size)
    step = compile_clean_step(make_trainee(model, settings), settings)
    x, labels = draw(N_IMAGES, size=options.size, seed=1)
    one_hot, rng = np.eye(2, dtype=np.float32), np.random.default_rng(2)
    start, losses = time.perf_counter(), []
    for _ in range(options.updates):
        at = rng.choice(N_IMAGES, BATCH, replace=False)
        losses.append(float(step(x[at], one_hot[labels[at]])[0]))
    synchronise()
    seconds = time.perf_counter() - start
    notes.put(device=found, updates=options.updates, seconds_of_training=seconds, last_losses=losses[-5:])
    np.savez(weights_file(options), **{str(place): one for place, one in enumerate(model.get_weights())})
    x, labels = draw(options.images, size=options.size, seed=3)
    accuracy = float((Target(model).logits(x).argmax(axis=1) == labels).mean())
    notes.put(accuracy=accuracy)
    notes.line(f"model: accuracy {accuracy:.2f} after {options.updates} updates in {seconds:.1f} s")
