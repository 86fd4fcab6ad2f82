"""Moving MNIST: digits that move over a black canvas and bounce off its sides."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from iprnn_tf.data.digits import load_digits
from iprnn_tf.data.drawn import BLOCK, DrawnSequences, Seed

Limits = tuple[int, int]  # The last (top, left) at which a digit is whole.
Trajectory = tuple[tf.Tensor, tf.Tensor]  # Integer (tops, lefts), each (N, T).


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How digits look, move and overlap in one of the published generators."""

    digit_size: int
    trajectory: Callable[[tf.Tensor, int, Limits], Trajectory]
    overlay: Callable[[Sequence[tf.Tensor]], tf.Tensor]


def canonical_trajectory(uniform: tf.Tensor, num_frames: int, limits: Limits) -> Trajectory:
    """Moves at 0.1 of the free range a frame in a random direction, and clamps at the sides.

    Each frame first moves, then is recorded. A digit that would leave is put on the side and
    its speed across that side turns; positions are truncated to pixels.

    Args:
        uniform: `(N, 4)` float64 in [0, 1): y, x, direction, and one that is not used.
        num_frames: T.
        limits: the last (top, left).

    Reference:
        Srivastava et al., Unsupervised Learning of Video Representations using LSTMs, 2015.
    """
    angle = 2 * math.pi * uniform[:, 2]
    velocity = 0.1 * tf.stack([tf.sin(angle), tf.cos(angle)], axis=1)  # (N, 2)
    position = uniform[:, :2]
    positions = []
    for _ in range(num_frames):
        position += velocity
        velocity = tf.where((position <= 0) | (position >= 1), -velocity, velocity)
        position = tf.clip_by_value(position, 0, 1)
        positions.append(tf.cast(position * tf.constant(limits, tf.float64), tf.int32))
    return _tops_and_lefts(positions)


def svg_trajectory(uniform: tf.Tensor, num_frames: int, limits: Limits) -> Trajectory:
    """Moves by whole pixels, -4 to 4 on each axis, and turns one pixel before the far sides.

    Each frame is recorded first, then moves; a digit may stand still.

    Args:
        uniform: `(N, 4)` float64 in [0, 1): y, x, and the velocities.
        num_frames: T.
        limits: the last (top, left), which this generator itself never reaches.

    Reference:
        Denton and Fergus, Stochastic Video Generation with a Learned Prior, 2018; used with
        deterministic bounces by Yu et al., CrevNet, 2020.
    """
    limit = tf.constant(limits, tf.int32)
    position = tf.cast(uniform[:, :2] * tf.constant(limits, tf.float64), tf.int32)
    velocity = tf.cast(tf.floor(uniform[:, 2:] * 9), tf.int32) - 4
    positions = []
    for _ in range(num_frames):
        positions.append(position)
        position += velocity
        velocity = tf.where((position < 0) | (position >= limit), -velocity, velocity)
        position = tf.clip_by_value(position, 0, limit - 1)
    return _tops_and_lefts(positions)


def _tops_and_lefts(positions: list[tf.Tensor]) -> Trajectory:
    stacked = tf.stack(positions, axis=1)  # (N, T, 2)
    return stacked[..., 0], stacked[..., 1]


def _brightest(layers: Sequence[tf.Tensor]) -> tf.Tensor:
    frames = layers[0]
    for layer in layers[1:]:
        frames = tf.maximum(frames, layer)
    return frames


def _saturating_sum(layers: Sequence[tf.Tensor]) -> tf.Tensor:
    total = tf.add_n([tf.cast(layer, tf.uint16) for layer in layers])
    return tf.cast(tf.minimum(total, 255), tf.uint8)


PROTOCOLS = {
    "canonical": Protocol(28, canonical_trajectory, _brightest),
    "svg": Protocol(32, svg_trajectory, _saturating_sum),
}


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

    def _draw(self, glyphs: tf.Tensor, seed: Seed) -> tf.Tensor:
        """Draws one block of sequences, uint8 `(BLOCK, T, H, W, 1)`."""
        uniform = tf.random.stateless_uniform(
            (self.num_digits, BLOCK, 5), seed, dtype=tf.float64, alg="philox"
        )
        height, width, _ = self.image_shape
        limits = (height - self.protocol.digit_size, width - self.protocol.digit_size)
        layers = []
        for digit in tf.unstack(uniform):
            chosen = tf.gather(glyphs, tf.cast(digit[:, 4] * len(glyphs), tf.int32))
            tops, lefts = self.protocol.trajectory(digit[:, :4], self.num_frames, limits)
            layers.append(self._paint(chosen, tops, lefts))
        frames = self.protocol.overlay(layers)
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
        digits = _resize(load_digits(split), size)
        rows = np.zeros((len(digits), size, width), np.uint8)
        rows[:, :, :size] = digits
        return [glyph.tobytes() for glyph in rows]


def _resize(digits: np.ndarray, size: int) -> np.ndarray:
    if digits.shape[1] == size:
        return digits
    resized = tf.image.resize(digits[..., None], (size, size), method="bilinear")
    return np.asarray(tf.cast(tf.round(resized[..., 0]), tf.uint8))


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
