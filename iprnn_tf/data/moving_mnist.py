"""Moving MNIST: digits that move over a black canvas and bounce off its sides."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from iprnn_tf.data import lazy_tensorflow as tf
from iprnn_tf.data.digit_protocols import PROTOCOLS, Array, Arrays, Trajectory
from iprnn_tf.data.digits import load_digits
from iprnn_tf.data.drawn import BLOCK, DrawnSequences, Seed


class MovingMNIST(DrawnSequences):
    """Sequences of moving digits, drawn as they are needed.

    The digits of the three splits are disjoint (`iprnn_tf.data.digits`).

    Args:
        protocol: "canonical", the generator of Srivastava et al. that most papers use, or
            "svg", that of SVG and CrevNet: digits of 32 pixels, whole-pixel velocities and
            sums where digits overlap.
        num_digits: 1 to 3.
        image_size: (H, W) of the canvas, at least two pixels larger than a digit.
        num_frames: T, the length of a sequence.
        seed: of the training sequences. Validation and test sequences don't depend on it.

    Raises:
        ValueError: if an argument is out of range.
    """

    protocols = tuple(PROTOCOLS)

    def __init__(
        self,
        protocol: str = "canonical",
        num_digits: int = 2,
        image_size: tuple[int, int] = (64, 64),
        num_frames: int = 20,
        seed: int = 0,
    ) -> None:
        super().__init__(protocol, (*image_size, 1), num_frames, seed)
        _check_arguments(num_digits, image_size, PROTOCOLS[protocol].digit_size + 2)
        self.protocol = PROTOCOLS[protocol]
        self.num_digits = num_digits

    def drawing(self, split: str) -> Callable[[Seed], tf.Tensor]:
        glyphs = tf.constant(self._glyphs(split))
        return lambda seed: self._draw(glyphs, seed)

    def material(self, split: str) -> np.ndarray:
        return _resized(load_digits(split), self.protocol.digit_size)

    def draw_on_device(self, material: Array, key: Array, count: int) -> Array:
        import jax  # Only who draws so needs it.

        uniform = jax.random.uniform(key, (self.num_digits, count, 5))
        return self.draw_with(jax.numpy, material, uniform)

    def draw_with(self, xp: Arrays, digits: Array, uniform: Array) -> Array:
        """Draws sequences as an accelerator is fastest at it: by products of matrices.

        Args:
            xp: the module of the arrays, `jax.numpy`.
            digits: `(M, size, size)` uint8, as large as the protocol has them.
            uniform: `(num_digits, N, 5)` in [0, 1): what the protocol's trajectory takes, and the
                choice of the digit.

        Returns:
            uint8 `(N, T, H, W, 1)`.
        """
        height, width, _ = self.image_shape
        layers = []
        for numbers in uniform:
            chosen = digits[xp.asarray(numbers[:, 4] * len(digits), np.int32)]
            tops, lefts = self._trajectory(xp, numbers)
            # Integers up to 256 are exact in bfloat16, and each product has one term.
            rows = _shifts(xp, tops, height, chosen.shape[1])
            columns = _shifts(xp, lefts, width, chosen.shape[2])
            chosen = chosen.astype(rows.dtype)
            painted = xp.einsum("btri,bij,btcj->btrc", rows, chosen, columns)
            layers.append(painted.astype(np.uint8))
        return self.protocol.overlay(xp, layers)[..., None]

    def _trajectory(self, xp: Arrays, numbers: Array) -> Trajectory:
        height, width, _ = self.image_shape
        size = self.protocol.digit_size
        limits = (height - size, width - size)
        return self.protocol.trajectory(xp, numbers[:, :4], self.num_frames, limits)

    def _draw(self, glyphs: tf.Tensor, seed: Seed) -> tf.Tensor:
        """Draws one block of sequences, uint8 `(BLOCK, T, H, W, 1)`."""
        uniform = tf.random.stateless_uniform(
            (self.num_digits, BLOCK, 5), seed, dtype=tf.float64, alg="philox"
        )
        layers = []
        for numbers in tf.unstack(uniform):
            chosen = tf.gather(glyphs, tf.cast(numbers[:, 4] * len(glyphs), tf.int32))
            tops, lefts = self._trajectory(tf.experimental.numpy, numbers)
            layers.append(self._paint(chosen, tops, lefts))
        frames = self.protocol.overlay(tf.experimental.numpy, layers)
        return tf.reshape(frames, (BLOCK, self.num_frames, *self.image_shape))

    def _paint(self, glyphs: tf.Tensor, tops: tf.Tensor, lefts: tf.Tensor) -> tf.Tensor:
        """Puts each glyph on black canvases, uint8 `(N, T, H * W)`.

        A canvas with a glyph at (top, left) is the canvas with the glyph at (0, 0), shifted
        by top * W + left bytes. So each frame is one slice of the glyph between black margins,
        and a slice of bytes at an offset that varies is what `tf.strings.substr` copies: ten
        times as fast as gathering pixels.
        """
        height, width, _ = self.image_shape
        size = self.protocol.digit_size
        before = (height - size) * width + (width - size)
        margins = tf.constant(bytes(before)), tf.constant(bytes((height - size) * width))
        strips = tf.strings.join([margins[0], glyphs, margins[1]])[:, None]  # (N, 1)
        offsets = before - (tops * width + lefts)  # (N, T)
        lengths = tf.fill(tf.shape(offsets), height * width)
        return tf.io.decode_raw(tf.strings.substr(strips, offsets, lengths), tf.uint8)

    def _glyphs(self, split: str) -> list[bytes]:
        """Each digit as the bytes of as many canvas rows as it is high."""
        size, width = self.protocol.digit_size, self.image_shape[1]
        digits = _resized(load_digits(split), size)
        rows = np.zeros((len(digits), size, width), np.uint8)
        rows[:, :, :size] = digits
        return [glyph.tobytes() for glyph in rows]


def _shifts(xp: Arrays, offsets: Array, canvas: int, size: int) -> Array:
    """Which pixel of a digit lies at which place, `(N, T, canvas, size)` of 0 and 1."""
    places = xp.arange(size) + offsets[..., None, None]  # (N, T, 1, size)
    return (xp.arange(canvas)[:, None] == places).astype("bfloat16")


def _resized(digits: np.ndarray, size: int) -> np.ndarray:
    """Scales digits bilinearly, with the centres of pixels at half past, to `(N, size, size)`."""
    weights = _interpolation(digits.shape[1], size)
    return np.rint(weights @ digits @ weights.T).astype(np.uint8)


def _interpolation(old: int, new: int) -> np.ndarray:
    """What each old pixel gives to each new one, `(new, old)`."""
    centres = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    distances = np.abs(centres[:, None] - np.arange(old))
    return np.maximum(1 - distances, 0).astype(np.float32)


def _check_arguments(num_digits: int, image_size: tuple[int, int], smallest: int) -> None:
    if num_digits not in (1, 2, 3):
        raise ValueError(
            f"`num_digits` must be 1, 2 or 3. Received: num_digits={num_digits!r}. "
            "Most papers use 2."
        )
    if min(image_size) < smallest:
        raise ValueError(
            f"Both sides of the canvas must be at least {smallest} pixels, so that digits can "
            f"move. Received: image_size={tuple(image_size)}."
        )
