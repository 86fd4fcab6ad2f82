"""How digits look, move and overlap in the published generators of Moving MNIST.

The rules are written once, for every module of arrays that has NumPy's functions: a pipeline gives
`tf.experimental.numpy`, a device that draws for itself `jax.numpy`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Arrays = Any  # A module of arrays.
Array = Any
Limits = tuple[int, int]  # The last (top, left) at which a digit is whole.
Trajectory = tuple[Array, Array]  # Integer (tops, lefts), each (N, T).


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How digits look, move and overlap in one of the published generators."""

    digit_size: int
    trajectory: Callable[[Arrays, Array, int, Limits], Trajectory]
    overlay: Callable[[Arrays, Sequence[Array]], Array]


def canonical_trajectory(xp: Arrays, uniform: Array, num_frames: int, limits: Limits) -> Trajectory:
    """Moves at 0.1 of the free range a frame in a random direction, and clamps at the sides.

    Each frame first moves, then is recorded. A digit that would leave is put on the side and
    its speed across that side turns; positions are truncated to pixels.

    Args:
        xp: the module of the arrays.
        uniform: `(N, 4)` in [0, 1): y, x, direction, and one that is not used.
        num_frames: T.
        limits: the last (top, left).

    Reference:
        Srivastava et al., Unsupervised Learning of Video Representations using LSTMs, 2015.
    """
    angle = 2 * math.pi * uniform[:, 2]
    velocity = 0.1 * xp.stack([xp.sin(angle), xp.cos(angle)], axis=1)  # (N, 2)
    position = uniform[:, :2]
    positions = []
    for _ in range(num_frames):
        position = position + velocity
        velocity = xp.where((position <= 0) | (position >= 1), -velocity, velocity)
        position = xp.clip(position, 0, 1)
        positions.append(_truncated(xp, position, limits))
    return _tops_and_lefts(xp, positions)


def svg_trajectory(xp: Arrays, uniform: Array, num_frames: int, limits: Limits) -> Trajectory:
    """Moves by whole pixels, -4 to 4 on each axis, and turns one pixel before the far sides.

    Each frame is recorded first, then moves; a digit may stand still.

    Args:
        xp: the module of the arrays.
        uniform: `(N, 4)` in [0, 1): y, x, and the velocities.
        num_frames: T.
        limits: the last (top, left), which this generator itself never reaches.

    Reference:
        Denton and Fergus, Stochastic Video Generation with a Learned Prior, 2018; used with
        deterministic bounces by Yu et al., CrevNet, 2020.
    """
    limit = np.array(limits, np.int32)
    position = _truncated(xp, uniform[:, :2], limits)
    velocity = xp.asarray(xp.floor(uniform[:, 2:] * 9), np.int32) - 4
    positions = []
    for _ in range(num_frames):
        positions.append(position)
        position = position + velocity
        velocity = xp.where((position < 0) | (position >= limit), -velocity, velocity)
        position = xp.clip(position, 0, limit - 1)
    return _tops_and_lefts(xp, positions)


def _truncated(xp: Arrays, position: Array, limits: Limits) -> Array:
    pixels = xp.asarray(limits, position.dtype)
    return xp.asarray(position * pixels, np.int32)


def _tops_and_lefts(xp: Arrays, positions: list[Array]) -> Trajectory:
    stacked = xp.stack(positions, axis=1)  # (N, T, 2)
    return stacked[..., 0], stacked[..., 1]


def _brightest(xp: Arrays, layers: Sequence[Array]) -> Array:
    return functools.reduce(xp.maximum, layers)


def _saturating_sum(xp: Arrays, layers: Sequence[Array]) -> Array:
    total = functools.reduce(xp.add, [xp.asarray(layer, np.int32) for layer in layers])
    return xp.asarray(xp.minimum(total, 255), np.uint8)


PROTOCOLS = {
    "canonical": Protocol(28, canonical_trajectory, _brightest),
    "svg": Protocol(32, svg_trajectory, _saturating_sum),
}
