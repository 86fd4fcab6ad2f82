"""Footage that looks real to a model: a camera pans over texture, objects pass by."""

from __future__ import annotations

import numpy as np
from PIL import Image


def moving_scene(frames: int, height: int, width: int, seed: int, objects: int = 2) -> np.ndarray:
    """Returns uint8 RGB `(T, H, W, 3)`; scenes of different seeds share nothing but the style."""
    rng = np.random.default_rng(seed)
    speeds = rng.choice([-2, -1, 1, 2], 2)
    margin = 2 * frames + 2
    ground = _texture(rng, height + 2 * margin, width + 2 * margin)
    camera = margin + speeds * np.arange(frames)[:, None]  # (T, 2)
    scene = np.stack([ground[top:, left:][:height, :width] for top, left in camera])
    for _ in range(objects):
        size = rng.integers(height // 4, height // 2)
        patch = 255 - _texture(rng, size, size)
        start, speed = rng.uniform(0, (height, width)), rng.uniform(-2.5, 2.5, 2)
        for time, frame in enumerate(scene):
            _paint(frame, patch, *np.int64((start + speed * time) % (height, width)))
    return scene


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise of several scales, coarse ones strongest, as in photographs."""
    total = np.zeros((height, width, 3))
    for cell in (2, 4, 8, 16):
        noise = rng.uniform(-1, 1, (height // cell + 2, width // cell + 2))
        smooth = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        total += cell * np.asarray(smooth)[..., None] * rng.uniform(0.3, 1.0, 3)
    low, high = total.min(), total.max()
    return np.uint8(255 * (total - low) / (high - low))


def _paint(frame: np.ndarray, patch: np.ndarray, top: int, left: int) -> None:
    seen = frame[top : top + len(patch), left : left + len(patch)]
    seen[:] = patch[: seen.shape[0], : seen.shape[1]]
