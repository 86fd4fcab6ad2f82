"""Everything that decides what a training run does: one frozen dataclass."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import keras

from iprnn_tf import IPRNN
from iprnn_tf.cells import CELLS, Cell
from iprnn_tf.data import DATASETS
from iprnn_tf.data.moving_mnist import NUM_SEQUENCES
from iprnn_tf.data.video_protocols import DIGITS, VIDEO_PROTOCOLS, VideoProtocol
from iprnn_tf.data.windows import TrainingWindows
from iprnn_tf.losses import FrameError
from iprnn_tf.optimizers import ConvMuon
from iprnn_tf.scheduled_sampling import LinearSampling
from trainers.footage import FootageSettings
from trainers.settings import setting

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

# What a model's predictions are measured by; presets of any version tell these.
DATA_SETTINGS = (
    "dataset",
    "protocol",
    "num_digits",
    "context_frames",
    "data_dir",
    "image_size",
    "channels",
    "value_range",
    "fps",
    "source_fps",
    "window_stride",
)


@dataclasses.dataclass(frozen=True)
class TrainingConfig(FootageSettings):
    """A resolved training run. The defaults are the `small` configuration."""

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

    init_from: str = setting(
        "", "Pretrained weights to start from: run directory, .keras file or preset."
    )
    cell: str = setting("stgru", "Recurrent memory.", choices=tuple(CELLS))
    filters: int = setting(32, "Channels of the memory.", minimum=1, maximum=4096)
    kernel_size: int = setting(5, "Side of the memory's convolutions.", minimum=1, maximum=31)
    num_layers: int = setting(2, "Height of the stack of memories.", minimum=1, maximum=64)
    num_downsamplings: int = setting(
        2, "How often the encoder halves the sides.", minimum=0, maximum=6
    )
    encoder_filters: list[int] = setting(  # noqa: RUF009 (the default is None)
        None, "Channels of the encoder's scales, finest first; by default as many as --filters."
    )
    skips: bool = setting(True, "Skip connections from the encoder to the decoder.")
    use_bias: bool = setting(False, "Biases in the memory's convolutions.")
    normalization: str = setting(
        "none", "Normalisation in the memory.", choices=tuple(NORMALIZATIONS)
    )
    update_bias: float = setting(0.0, "Added inside the update gate.", minimum=-10, maximum=10)

    optimizer: str = setting("muon", "How weights follow gradients.", choices=tuple(OPTIMIZERS))
    steps: int = setting(
        2000, "Training steps, rounded up to whole epochs.", minimum=1, maximum=10**9
    )
    batch_size: int = setting(4, "Sequences in a step.", minimum=1, maximum=65536)
    learning_rate: float = setting(2.5e-3, "Peak of the schedule.", minimum=1e-9, maximum=10.0)
    warmup_steps: int = setting(
        200, "Steps to the peak (at most a tenth of all).", minimum=0, maximum=10**9
    )
    final_learning_rate: float = setting(
        0.0, "Part of the peak that is left at the end; 1 for no decay.", minimum=0.0, maximum=1.0
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
    reverse_sampling: bool = setting(
        False, "Also hide context frames, less and less often (reverse scheduled sampling)."
    )
    mixed_precision: str = setting(
        "auto", "Precision of the layers.", choices=("auto", *PRECISIONS)
    )
    xla: bool = setting(False, "Compile the training step with XLA.")
    seed: int = setting(0, "Of weights, data and draws.", minimum=0, maximum=2**31 - 1)
    steps_per_epoch: int = setting(200, "Steps between checkpoints.", minimum=1, maximum=10**9)
    validation_every: int = setting(4, "Epochs between validations.", minimum=1, maximum=10**9)
    validation_sequences: int = setting(
        200,
        "Sequences that choose the best checkpoint.",
        minimum=1,
        maximum=NUM_SEQUENCES["validation"],
    )
    test_sequences: int = setting(
        3000, "Sequences measured at the end, at most.", minimum=1, maximum=10**9
    )
    checkpoint_seconds: float = setting(
        30.0, "Least time between two checkpoints.", minimum=0.0, maximum=1e9
    )
    histograms: bool = setting(False, "Histograms of the weights in TensorBoard.")

    def __post_init__(self) -> None:
        super().__post_init__()
        protocols = DATASETS[self.dataset].protocols
        if self.protocol not in protocols:
            raise ValueError(
                f"--protocol of --dataset={self.dataset} is one of {', '.join(protocols)}. "
                f"Received: {self.protocol}. Leave it out for the first."
            )
        if self.encoder_filters is not None and len(self.encoder_filters) != self.num_downsamplings:
            raise ValueError(
                "--encoder_filters gives one number for each downsampling. Received: "
                f"{len(self.encoder_filters)} numbers with "
                f"--num_downsamplings={self.num_downsamplings}."
            )

    @property
    def epochs(self) -> int:
        """Number of epochs; a checkpoint may follow each."""
        return -(-self.steps // self.steps_per_epoch)

    def in_whole_epochs(self) -> TrainingConfig:
        """Spreads the steps evenly over the epochs, rounding them up where they don't divide."""
        steps_per_epoch = -(-self.steps // self.epochs)
        return dataclasses.replace(
            self, steps_per_epoch=steps_per_epoch, steps=steps_per_epoch * self.epochs
        )

    def build_model(self) -> IPRNN:
        """Creates the model, with weights drawn from the seed."""
        keras.utils.set_random_seed(self.seed)
        return IPRNN(
            image_shape=self.build_dataset().image_shape,
            cell=self._build_cell(),
            num_layers=self.num_layers,
            num_downsamplings=self.num_downsamplings,
            skips=self.skips,
            horizon=self.horizon,
            encoder_filters=self.encoder_filters,
            value_range=self.limits,
            dtype=PRECISIONS[self.mixed_precision],
        )

    def _build_cell(self) -> Cell:
        return CELLS[self.cell](
            filters=self.filters,
            kernel_size=self.kernel_size,
            use_bias=self.use_bias,
            normalization=NORMALIZATIONS[self.normalization](),
            update_bias=self.update_bias,
        )

    @property
    def error_protocol(self) -> VideoProtocol:
        """How errors on the data set are counted."""
        return VIDEO_PROTOCOLS.get(self.protocol, DIGITS)

    def build_dataset(self) -> Any:
        """Creates the data set, with windows as long as context and horizon together."""
        data = DATASETS[self.dataset]
        settings = {
            **dataclasses.asdict(self),
            "num_frames": self.context_frames + self.horizon,
            "image_size": self.cut().image_size,
        }
        wanted = inspect.signature(data).parameters
        return data(
            **{
                name: value
                for name, value in settings.items()
                if name in wanted and value is not None
            }
        )

    def build_windows(self) -> TrainingWindows:
        """Creates the pipeline that draws which true frames are fed."""
        span = round(self.sampling_span * self.steps)
        return TrainingWindows(
            context_frames=self.context_frames,
            batch_size=self.batch_size,
            teacher_sampling=LinearSampling(span),
            context_sampling=LinearSampling(span, 0.5, 1.0) if self.reverse_sampling else None,
            seed=self.seed,
        )

    def build_loss(self) -> FrameError:
        """Creates the loss over all outputs."""
        return FrameError(self.absolute_weight, self.warm_up_weight, self.horizon)

    def build_optimizer(self) -> keras.optimizers.Optimizer:
        """Creates the optimizer, with a linear warm-up and a cosine decay."""
        warmup = min(self.warmup_steps, self.steps // 10)
        schedule = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup else self.learning_rate,
            decay_steps=self.steps - warmup,
            warmup_target=self.learning_rate if warmup else None,
            warmup_steps=warmup,
            alpha=self.final_learning_rate,
        )
        return OPTIMIZERS[self.optimizer](
            schedule,
            clipnorm=self.clip_norm or None,
            use_ema=self.ema_momentum > 0,
            ema_momentum=self.ema_momentum,
        )
