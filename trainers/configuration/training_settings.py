"""The settings of a training run, by what they decide; the defaults are `small`'s."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import keras

from iprnn_tf.autoencoders import OUTPUT_ACTIVATIONS
from iprnn_tf.cells import CELLS
from iprnn_tf.data import DATASETS
from iprnn_tf.data.drawn import NUM_SEQUENCES
from iprnn_tf.models import MODELS
from iprnn_tf.optimizers import ConvMuon
from iprnn_tf.pixels import LARGEST_LEVELS
from trainers.configuration.footage import FootageSettings
from trainers.configuration.settings import recorded, setting

NORMALIZATIONS: dict[str, Callable[[], keras.layers.Layer | None]] = {
    "none": lambda: None,
    # Over image and channels together, as the author's later code does; what differs is the
    # scale and offset: none, one per channel, or his one per element.
    "standard": lambda: keras.layers.GroupNormalization(1, epsilon=1e-5, center=False, scale=False),
    "group": lambda: keras.layers.GroupNormalization(1, epsilon=1e-5),
    "author": lambda: keras.layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-5),
}
OPTIMIZERS = {"adam": keras.optimizers.Adam, "muon": ConvMuon}
PRECISIONS = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}

# What a memory may take, by these names; each takes some of them, `filters` always.
CELL_SETTINGS = (
    "filters",
    "kernel_size",
    "use_bias",
    "normalization",
    "update_bias",
    "forget_bias",
    "peepholes",
    "hidden_to_output",
    "units_per_pixel",
    "clips",
)
# And what a model may take, beside its memories.
MODEL_SETTINGS = (
    "num_layers",
    "num_downsamplings",
    "encoder_filters",
    "skips",
    "patch_size",
    "output_activation",
    "pytorch_padding",
    "blocks",
    "levels",
)


@dataclasses.dataclass(frozen=True)
class SequenceSettings(FootageSettings):
    """Which sequences are trained and measured on."""

    protocol: str = setting(
        "canonical",
        "Which of the data set's protocols; by default its first.",
        choices=tuple(dict.fromkeys(p for data in DATASETS.values() for p in data.protocols)),
    )
    num_digits: int = setting(2, "Digits in a sequence.", minimum=1, maximum=3)
    context_frames: int = setting(10, "Observed frames.", minimum=1, maximum=1000)
    horizon: int = setting(10, "Frames to predict.", minimum=1, maximum=1000)

    window_stride: int = setting(
        0, "Frames from one window to the next; 0 for the protocol's.", minimum=0, maximum=10**6
    )


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """What the model is."""

    title: ClassVar[str] = "Model"

    init_from: str = setting(
        "",
        "Pretrained model to start from, whose size is taken over: run directory, .keras or "
        "preset.",
    )
    model_type: str = setting("iprnn", "What surrounds the memories.", choices=tuple(MODELS))
    cell: str = setting("stgru", "Recurrent memory.", choices=tuple(CELLS))
    filters: int = setting(16, "Channels of the memory.", minimum=1, maximum=4096)
    kernel_size: int = setting(5, "Side of the memory's convolutions.", minimum=1, maximum=31)
    num_layers: int = setting(4, "Height of the stack of memories.", minimum=1, maximum=64)
    num_downsamplings: int = setting(
        2, "How often the encoder halves the sides.", minimum=0, maximum=6
    )
    encoder_filters: list[int] = setting(  # noqa: RUF009 (the default is None)
        None, "Channels of the encoder's scales, finest first; by default as many as --filters."
    )
    skips: bool = setting(True, "Skip connections from the encoder to the decoder.")
    patch_size: int = setting(
        4, "Side of a patch in pixels, in a model without encoder.", minimum=1, maximum=64
    )
    output_activation: str = setting(
        "clipped", "What keeps frames in [0, 1].", choices=tuple(OUTPUT_ACTIVATIONS)
    )
    blocks: list[int] = setting(  # noqa: RUF009 (the default is None)
        None,
        "Blocks of a reversible network at its scales, finest first, or of a pixel network's "
        "encoder and decoder; by default CrevNet's or VPN's.",
    )
    levels: int = setting(
        256,
        "How many values a colour of a pixel network may have.",
        minimum=2,
        maximum=LARGEST_LEVELS,
    )
    pytorch_padding: bool = setting(
        False, "Kernels of stride 2 lie as PyTorch's, which weights from there need."
    )
    use_bias: bool = setting(False, "Biases in the memory's convolutions.")
    normalization: str = setting(
        "none", "Normalisation in the memory.", choices=tuple(NORMALIZATIONS)
    )
    update_bias: float = setting(0.0, "Added inside the update gate.", minimum=-10, maximum=10)
    forget_bias: float = setting(
        1.0, "Added inside an LSTM's forget gate.", minimum=-10, maximum=10
    )
    peepholes: bool = setting(False, "Whether the gates of --cell=conv_lstm see its cell state.")
    hidden_to_output: bool = setting(
        False, "Whether the output gate of --cell=causal_lstm sees the hidden state."
    )
    units_per_pixel: int = setting(
        1, "Units of --cell=fc_lstm for each pixel of the features.", minimum=1, maximum=64
    )
    clips: bool = setting(
        False, "Whether --cell=e3d_lstm or rpm takes whole clips, in a model that shows them."
    )


@dataclasses.dataclass(frozen=True)
class LearningSettings:
    """How it learns."""

    title: ClassVar[str] = "Learning"

    optimizer: str = setting("muon", "How weights follow gradients.", choices=tuple(OPTIMIZERS))
    steps: int = setting(
        2000, "Training steps, rounded up to whole epochs.", minimum=1, maximum=10**9
    )
    batch_size: int = setting(8, "Sequences in a step.", minimum=1, maximum=65536)
    learning_rate: float = setting(4e-3, "Peak of the schedule.", minimum=1e-9, maximum=10.0)
    warmup_steps: int = setting(
        200,
        "Steps to the peak (at most a tenth of all); by the clock, their part of --steps is a part "
        "of the time.",
        minimum=0,
        maximum=10**9,
    )
    final_learning_rate: float = setting(
        0.0, "Part of the peak that is left at the end; 1 for no decay.", minimum=0.0, maximum=1.0
    )
    decay_span: float = setting(
        1.0,
        "Part of the run, at its end, over which the rate falls; with 1 it falls all along.",
        minimum=0.0,
        maximum=1.0,
    )
    absolute_weight: float = setting(
        0.0, "Weight of the absolute beside the squared error.", minimum=0.0, maximum=1e6
    )
    warm_up_weight: float = setting(
        1.0, "Weight of the outputs over the context in the loss.", minimum=0.0, maximum=1e6
    )
    clip_norm: float = setting(
        1.0, "Largest norm of a weight's gradient; 0 for no limit.", minimum=0.0, maximum=1e9
    )
    ema_momentum: float = setting(
        0.0, "Momentum of averaged weights; 0 for none.", minimum=0.0, maximum=0.999999
    )
    sampling_span: float = setting(
        0.65,
        "Part of the run over which the probability of feeding the truth falls from 1 to 0.",
        minimum=0.0,
        maximum=1.0,
    )
    short_horizon: int = setting(
        0,
        "Frames to predict in the first part of the run, whose steps are cheaper so; 0 for "
        "--horizon all along.",
        minimum=0,
        maximum=1000,
    )
    short_span: float = setting(
        0.6, "How large that part is, if there is one.", minimum=0.0, maximum=0.99
    )
    short_steps: int = setting(
        2000,
        "Its steps at most, since what comes next is soon learned; by the clock, their part of "
        "--steps is a part of the time.",
        minimum=1,
        maximum=10**9,
    )
    short_batch_size: int = setting(
        0, "Sequences in a step of that part; 0 for --batch_size.", minimum=0, maximum=65536
    )
    reverse_sampling: bool = setting(
        False, "Also hide context frames, less and less often (reverse scheduled sampling)."
    )


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """How a run goes: precision, seed, and what it measures and keeps when."""

    title: ClassVar[str] = "Run"

    mixed_precision: str = setting(
        "auto", "Precision of the layers.", choices=("auto", *PRECISIONS)
    )
    xla: bool = setting(False, "Compile the training step with XLA.")
    on_device: bool = setting(
        False,
        "Draw the sequences on the accelerator, and run the steps of an epoch as one program; "
        "with KERAS_BACKEND=jax, and without TensorFlow.",
    )
    minutes: float = recorded(0.0)  # Of a run by the clock; 0 by steps.
    setup_minutes: float = recorded(0.0)  # Of these, what went before the first step.
    seed: int = setting(0, "Of weights, data and draws.", minimum=0, maximum=2**31 - 1)
    steps_per_epoch: int = setting(50, "Steps between checkpoints.", minimum=1, maximum=10**9)
    steps_per_execution: int = setting(
        1,
        "Steps without a look at the loss, Ctrl-C or the clock; more keep a GPU busy.",
        minimum=1,
        maximum=10**6,
    )
    validation_every: int = setting(8, "Epochs between validations.", minimum=1, maximum=10**9)
    validation_sequences: int = setting(
        200,
        "Sequences that choose the best checkpoint.",
        minimum=1,
        maximum=NUM_SEQUENCES["validation"],
    )
    test_sequences: int = setting(
        1000, "Test sequences measured at the end, at most.", minimum=1, maximum=10**9
    )
    checkpoint_seconds: float = setting(
        30.0, "Least time between two checkpoints.", minimum=0.0, maximum=1e9
    )
    histograms: bool = setting(False, "Histograms of the weights in TensorBoard.")
