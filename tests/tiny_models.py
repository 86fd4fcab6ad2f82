"""Models small enough to be exported in a second, and what they are asked."""

import json

import numpy as np

from iprnn_tf import IPRNN, STGRUCell

IMAGE_SHAPE, TIME, HORIZON = (36, 40, 1), 3, 3  # H != W, and a canvas that digits fit on.


def tiny(image_shape=IMAGE_SHAPE, filters=4, kernel_size=3, seed=0, **options):
    """A model with random weights."""
    options = {"num_layers": 2, "num_downsamplings": 1, "horizon": HORIZON, **options}
    # Its configuration has the cell's name, which would count up in one process.
    model = IPRNN(image_shape, STGRUCell(filters, kernel_size, name="memory"), **options)
    return randomized(model, seed)


def randomized(model, seed=0):
    """Gives a model weights that no initialiser would, biases included."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        scale = 1.0 / np.sqrt(np.prod(weight.shape[:-1]) + 1.0)
        values = rng.normal(0.0, scale, weight.shape).astype("float32")
        weight.assign(np.abs(values) if weight.name.endswith("variance") else values)
    return model


def contexts(batch=2, time=TIME, image_shape=IMAGE_SHAPE, seed=1):
    """Frames of noise, `(B, T, H, W, C)`."""
    shape = (batch, time, *image_shape)
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def write_run(folder, model, **settings):
    """Writes what `--model` takes as a run directory: a model, and how it was trained."""
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    (folder / "config.json").write_text(json.dumps({"config": settings}))
    return folder
