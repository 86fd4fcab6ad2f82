"""Frames whose values are predicted one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.arguments import integer
from iprnn_tf.cells import Cell, ConvLSTMCell
from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.losses import FrameError
from iprnn_tf.models.recurrent import Convolution, RecurrentPredictor, checked_template
from iprnn_tf.models.view import PredictorView
from iprnn_tf.pixels import PixelDecoder, PixelEncoder

BLOCKS = (8, 12)  # VPN's, of encoder and decoder.


@keras.saving.register_keras_serializable(package="iprnn_tf")
class VideoPixelNetwork(RecurrentPredictor):
    """Predicts video as distributions over the values of frames, each given the values before it.

    Frames are encoded at their own size and remembered by a convolutional memory. Given its
    features, a decoder of masked convolutions predicts the next frame, one value after another:

        features, T'   = cells(encode(frame), T)
        p(next_frame)  = prod_n p(value_n | features, value_1 ... value_(n-1))

    At the published size it is `VideoPixelNetwork((64, 64, 1), ConvLSTMCell(256, 3))`, with 8
    blocks in the encoder and 12 in the decoder.

    It learns by likelihood. The inputs hold `next_frames` then, as
    `iprnn_tf.data.windows.TrainingWindows(..., next_frames=True)` makes them; the model adds
    the loss itself (nats per frame: the cross-entropy, summed over a frame and averaged over
    frames and sequences), and is compiled with `loss=None`. The truth is always fed, whatever
    `use_teacher` and `use_context` say. The outputs are the likeliest values given the true ones
    before them in the same frame, so their errors say little about errors at the horizon.

    `predict`, `rollout` and `step` take the likeliest value each time; those of `sampler()` sample.
    Both run the decoder once for each pixel and colour: slow by nature. `evaluate` measures
    these frames, and its loss is their `FrameError`.

    Deviations, or choices where the paper is silent: features enter the decoder once, at its first
    layer; its head is a rectifier and a 1x1 convolution; the default ConvLSTM adds 1 inside its
    forget gate.

    Args:
        image_shape: (H, W, C); H and W may be None.
        cell: a template, copied for each layer with the model's dtype policy; `ConvLSTMCell(256,
            3)` by default. Its filters, an even number, are the channels of encoder and
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
        ValueError: if an argument is out of range, or `cell` is not a `Cell`; in training, if
            `next_frames` are missing or have another length, or if a loss was compiled or weights
            of samples are given, which would change nothing.

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
        filters, kernel_size = _checked_sizes(template)
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
        if training or _to_learn_from(x):
            if self.loss is not None or sample_weight is not None:
                raise ValueError(
                    "A VideoPixelNetwork learns by a loss of its own, the same for all samples. "
                    f"Received: loss={self.loss!r}, sample_weight={sample_weight!r}. Compile with "
                    "loss=None, and leave out weights."
                )
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        # Keras wants a loss to evaluate by, too: that of the predicted frames.
        return FrameError()(y, y_pred, sample_weight)

    def _next_frames(self, inputs: Tensor | dict[str, Tensor]) -> Tensor:
        if not _to_learn_from(inputs):
            return super()._next_frames(inputs)
        self._check_training(inputs)
        frames = ops.concatenate([inputs["context"], inputs["teacher"]], axis=1)
        targets = inputs["next_frames"]
        logits = self.logits(frames, targets)
        nats = ops.sparse_categorical_crossentropy(
            self.decoder.level_of(targets), logits, from_logits=True
        )  # (B, T + K - 1, H, W, C)
        self.add_loss(ops.mean(ops.sum(nats, axis=(2, 3, 4))))
        return self.decoder.value_of(ops.argmax(logits, axis=-1))

    def logits(self, frames: Tensor, next_frames: Tensor) -> Tensor:
        """Returns how likely each value of the frames after some is, given those before it.

        Args:
            frames: `(B, T, H, W, C)`, all true.
            next_frames: the frame after each, of the same shape.

        Returns:
            Unnormalised log-probabilities, `(B, T, H, W, C, L)`, float32.

        Raises:
            ValueError: if the two aren't frames of the model, as many of each.
        """
        frames, next_frames = map(ops.convert_to_tensor, (frames, next_frames))
        for given in (frames, next_frames):
            self._check_context(given)
        if frames.shape[1] != next_frames.shape[1]:
            raise ValueError(
                "There is one next frame for each frame. Received: "
                f"{frames.shape[1]} frames and {next_frames.shape[1]} next frames. Give all from "
                "the second on."
            )
        features, _, _ = self.observed(ops.cast(frames, "float32"), return_all=True)
        targets = ops.concatenate(ops.unstack(next_frames, axis=1), axis=0)  # (T * B, H, W, C)
        logits = self.decoder.logits(features, targets)
        return ops.stack(ops.split(logits, frames.shape[1], axis=0), axis=1)

    def sampler(self, seed: int = 0) -> SampledFrames:
        """Returns a predictor with these weights that samples from the distributions.

        Args:
            seed: of the samples; successive calls return different ones.
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
    """Samples the values of the frames that a network predicts, instead of taking the likeliest.

    Args:
        predictor: a `VideoPixelNetwork`.
        horizon: K, how many frames `predict` returns.
        seed: of the samples.

    Raises:
        ValueError: if `predictor` is another one.
    """

    def __init__(
        self, predictor: VideoPixelNetwork, horizon: int, seed: int = 0, **kwargs: Any
    ) -> None:
        if not isinstance(predictor, VideoPixelNetwork):
            raise ValueError(
                "Samples are of the distributions that a VideoPixelNetwork predicts. Received: "
                f"predictor={predictor!r}. Call `sampler` of such a network."
            )
        super().__init__(predictor, horizon, **kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def decode(self, features: Tensor, skips: list[Tensor]) -> Tensor:
        shape = (*ops.shape(features)[:3], self.image_shape[2])
        uniform = keras.random.uniform(shape, seed=self.seed_generator)
        return self.predictor.decoder(features, skips, uniform=uniform)

    def warm_up(self, context: Tensor, return_all: bool = False) -> tuple[list[Tensor], States]:
        """Does what that of the predictor does; see `RecurrentPredictor.warm_up`."""
        return self.predictor.warm_up(context, return_all, decode=self.decode)

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "seed": self.seed}


def _to_learn_from(inputs: Any) -> bool:
    return isinstance(inputs, dict) and "next_frames" in inputs


def _checked_blocks(blocks: Sequence[int]) -> list[int]:
    rule = "`blocks` of a VideoPixelNetwork are how many its encoder and its decoder have."
    if not isinstance(blocks, Sequence) or len(blocks) != 2:
        raise ValueError(f"{rule} Received: blocks={blocks!r}. Give two numbers, as 8,12.")
    return [integer(f"blocks[{index}]", count, rule) for index, count in enumerate(blocks)]


def _checked_sizes(template: Cell) -> tuple[int, int]:
    """Returns the filters and the kernel size of a memory, which are the network's too."""
    filters, kernel_size = template.output_size, template.get_config().get("kernel_size")
    if filters % 2 or kernel_size is None or template.clip_length > 1:
        raise ValueError(
            "The memories of a VideoPixelNetwork are convolutional, have an even number of "
            "filters, since its blocks halve them, and take no clips. Received: "
            f"{type(template).__name__} with {filters} filters, kernel_size={kernel_size} and "
            f"clips of {template.clip_length} frames. Pass, for example, ConvLSTMCell(32, 3)."
        )
    return filters, kernel_size
