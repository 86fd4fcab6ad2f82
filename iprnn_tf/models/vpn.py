"""Frames whose values are drawn one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.arguments import integer
from iprnn_tf.cells import Cell, ConvLSTMCell
from iprnn_tf.cells.cell import Tensor
from iprnn_tf.losses import FrameError
from iprnn_tf.models.recurrent import Convolution, RecurrentPredictor, checked_template
from iprnn_tf.models.view import PredictorView
from iprnn_tf.pixels import PixelDecoder, PixelEncoder

BLOCKS = (8, 12)  # VPN's, of encoder and decoder.


@keras.saving.register_keras_serializable(package="iprnn_tf")
class VideoPixelNetwork(RecurrentPredictor):
    """Predicts video as a distribution over the values of frames, each given those before it.

    Frames are encoded at their own size and remembered by a convolutional memory; its features are
    what a decoder of masked convolutions draws the next frame with, one value after another:

        features, T'   = cells(encode(frame), T)
        p(next_frame)  = prod_n p(value_n | features, value_1 ... value_(n-1))

    As published it is `VideoPixelNetwork((64, 64, 1), ConvLSTMCell(256, 3))`, with 8 blocks
    in the encoder and 12 in the decoder.

    It learns by likelihood: given `next_frames` among the inputs, as
    `iprnn_tf.data.windows.TrainingWindows(..., next_frames=True)` makes them, the model itself adds
    the loss, the nats of a frame (cross-entropies of all its values, summed, averaged over frames),
    and is compiled with `loss=None`. The truth is always fed then, whatever `use_teacher` says,
    and the outputs are the likeliest values given the true ones before them in the same frame:
    errors of these say little of those at the horizon.

    `predict`, `rollout` and `step` take the likeliest value each time; those of `sampler()` draw.
    Both run the decoder once for each value, H * W * C times for a frame: slow by nature.
    `evaluate` measures these frames, and its loss is their `FrameError`.

    Args:
        image_shape: (H, W, C); H and W may be None.
        cell: a template, copied for each layer with the model's dtype policy; `ConvLSTMCell(256,
            3)` by default. Its filters, which are even, are the channels of encoder and
            decoder too, and its kernel size that of their convolutions.
        num_layers: N, the height of the stack of memories.
        blocks: how many multiplicative blocks encoder and decoder have, two numbers; by default
            VPN's, 8 and 12.
        levels: L, how many values a colour may have, from 0 to 1.
        horizon: K, how many frames `predict` returns.

    Call arguments:
        inputs: as those of every predictor; to learn, with `next_frames`, `(B, T + K - 1, H, W,
            C)`, all frames from the second of the context on.

    Raises:
        ValueError: if an argument is out of range, or `cell` is not a `Cell`; when called to
            learn, if `next_frames` are missing.

    Reference:
        Kalchbrenner et al., Video Pixel Networks, ICML 2017.
    """

    has_own_loss = True

    def __init__(
        self,
        image_shape: Sequence[int | None] = (64, 64, 1),
        cell: Cell | None = None,
        num_layers: int = 1,
        blocks: Sequence[int] | None = None,
        levels: int = 256,
        horizon: int = 10,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_shape, horizon, **kwargs)
        template = checked_template(ConvLSTMCell(256, 3) if cell is None else cell)
        self.blocks = _checked_blocks(BLOCKS if blocks is None else blocks)
        filters, kernel_size = _checked_filters(template), template.get_config()["kernel_size"]
        self.encoder = PixelEncoder(
            filters, kernel_size, self.blocks[0], name="encoder", dtype=self.dtype_policy
        )
        self.create_memories(template, num_layers)
        self.decoder = PixelDecoder(
            filters,
            kernel_size,
            self.blocks[1],
            levels,
            channels=self.image_shape[2],
            name="decoder",
            dtype=self.dtype_policy,
        )
        self.levels = self.decoder.levels
        self.build()

    def build(self, input_shape: Any = None) -> None:
        if not self.decoder.built:
            self.build_parts(self.encoder.filters)

    def call(self, inputs: Any, training: bool | None = None) -> Tensor:
        if training and not _to_learn_from(inputs):
            given = sorted(inputs) if isinstance(inputs, dict) else "a context alone"
            raise ValueError(
                "A VideoPixelNetwork learns how likely the true values are, given those before "
                f"them, and so takes `next_frames` among its inputs. Received: {given}. "
                "TrainingWindows(..., next_frames=True) makes such batches; compile with loss=None."
            )
        return super().call(inputs, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        # Keras wants a loss to evaluate by, too: that of frames which were drawn.
        if training or _to_learn_from(x):
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        return FrameError()(y, y_pred, sample_weight)

    def _next_frames(self, inputs: Tensor | dict[str, Tensor]) -> Tensor:
        if not _to_learn_from(inputs):
            return super()._next_frames(inputs)
        targets = inputs["next_frames"]
        batch, time, *shape = ops.shape(targets)
        logits = self.logits(ops.concatenate([inputs["context"], inputs["teacher"]], 1), targets)
        nats = ops.sparse_categorical_crossentropy(
            self.decoder.level_of(targets), logits, from_logits=True
        )
        self.add_loss(ops.sum(nats) / ops.cast(batch * time, "float32"))
        likeliest = ops.argmax(logits, axis=-1)
        return ops.reshape(self.decoder.value_of(likeliest), (batch, time, *shape))

    def logits(self, frames: Tensor, next_frames: Tensor) -> Tensor:
        """Returns how likely each value of the frames after some is, given those before it.

        Args:
            frames: `(B, T, H, W, C)`, all true.
            next_frames: those that follow each, of the same shape.

        Returns:
            The logarithms of probabilities that aren't normalised, `(B, T, H, W, C, L)`, float32.
        """
        batch, time, *shape = ops.shape(next_frames)
        frames, next_frames = (ops.cast(given, "float32") for given in (frames, next_frames))
        steps = [frames[:, step] for step in range(frames.shape[1])]
        features, _ = self.encode(ops.concatenate(steps, axis=0))  # (T * B, H, W, F)
        trajectory = self.cell.unroll(
            ops.split(features, time, axis=0), self.initial_states(batch, tuple(shape[:2]))
        )
        readouts = ops.stack([self.cell.readout(*step) for step in trajectory], axis=1)
        images = ops.reshape(readouts, (batch * time, *ops.shape(readouts)[2:]))
        logits = self.decoder.logits(images, ops.reshape(next_frames, (batch * time, *shape)))
        return ops.reshape(logits, (batch, time, *shape, self.levels))

    def sampler(self, seed: int = 0) -> SampledFrames:
        """Returns a predictor with these weights that draws one of the futures it holds possible.

        Args:
            seed: of its draws, of which no two are alike.
        """
        return SampledFrames(self, self.horizon, seed)

    def convolutions(self) -> list[Convolution]:
        outside = [*self.encoder.weights, *self.decoder.weights]
        kernels = [tuple(weight.shape) for weight in outside if weight.name == "kernel"]
        return [*super().convolutions(), *((shape, self.latent_pixels) for shape in kernels)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "blocks": self.blocks, "levels": self.levels}


@keras.saving.register_keras_serializable(package="iprnn_tf")
class SampledFrames(PredictorView):
    """Draws the values of the frames that a network predicts, instead of the likeliest.

    Args:
        predictor: a `VideoPixelNetwork`.
        horizon: K, how many frames `predict` returns.
        seed: of the draws.
    """

    def __init__(
        self, predictor: VideoPixelNetwork, horizon: int, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(predictor, horizon, **kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def decode(self, features: Tensor, skips: list[Tensor]) -> Tensor:
        shape = (*ops.shape(features)[:3], self.image_shape[2])
        uniform = keras.random.uniform(shape, seed=self.seed_generator)
        return self.predictor.decoder(features, skips, uniform=uniform)

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "seed": self.seed}


def _to_learn_from(inputs: Any) -> bool:
    return isinstance(inputs, dict) and "next_frames" in inputs


def _checked_blocks(blocks: Sequence[int]) -> list[int]:
    rule = "`blocks` of a VideoPixelNetwork are how many its encoder and its decoder have."
    if len(blocks) != 2:
        raise ValueError(f"{rule} Received: blocks={list(blocks)}. Give two numbers, as 8,12.")
    return [integer(f"blocks[{index}]", count, rule) for index, count in enumerate(blocks)]


def _checked_filters(template: Cell) -> int:
    filters = template.output_size
    if filters % 2 or template.clip_length > 1:
        raise ValueError(
            "The memories of a VideoPixelNetwork have an even number of filters, since half as "
            f"many are within its blocks, and take no clips. Received: {filters} filters and "
            f"clips of {template.clip_length} frames. Pass, for example, ConvLSTMCell(32, 3)."
        )
    return filters
