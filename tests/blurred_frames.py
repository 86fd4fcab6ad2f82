"""Frames like blurred digits, and what a metric says of them."""

import numpy as np
import scipy.ndimage

HEIGHT, WIDTH = 18, 23


def frames(seed, batch=3, time=2, channels=1, high=1.0):
    """Blurred noise with black and white regions, as digits have."""
    shape = (batch, time, HEIGHT, WIDTH, channels)
    noise = np.random.default_rng(seed).normal(0.4, 0.5, shape)
    blurred = scipy.ndimage.gaussian_filter(noise, (0, 0, 1, 1, 0)) * 2 - 0.4
    return np.clip(blurred, 0, high).astype("float32")


def value(metric, targets, predictions, **kwargs):
    metric.update_state(targets, predictions, **kwargs)
    return float(metric.result())
