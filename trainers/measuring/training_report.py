"""What a finished training came to: measured, drawn and told."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from iprnn_tf.data import FOOTAGE
from iprnn_tf.data.lazy_tensorflow import is_installed
from iprnn_tf.data.prepared import PreparedVideo
from iprnn_tf.data.windows import evaluation_batches
from iprnn_tf.models import VideoPredictor, load_model
from iprnn_tf.visualization import DRAWABLE_CHANNELS, animation, save_gif
from programs.commands import command, export, predict, tensorboard
from programs.console import console
from trainers.configuration.footage import say_skipped
from trainers.configuration.run_directory import RunDirectory
from trainers.configuration.training_config import TrainingConfig
from trainers.measuring import results

SHOWN_SEQUENCES = 10


class Training(NamedTuple):
    """What a training took.

    Args:
        seconds: of all its pieces.
        steps: of training.
        best_step: after which the validation was best; 0 for the pretrained model as it came.
    """

    seconds: float
    steps: int
    best_step: int


def report(config: TrainingConfig, run: RunDirectory, training: Training) -> None:
    """Measures the best checkpoint on the test split, and says where everything is."""
    if not is_installed():
        _conclude_without_test(run)
        return
    model, evaluation = measured(config, run, training)
    if training.best_step == 0:
        console.say("\nNo validation was better than that of the pretrained model, which is kept.")
    if results.is_beaten(evaluation.rows):
        console.say(f"\n{results.BEATEN}")
    if config.dataset in FOOTAGE:
        say_skipped(PreparedVideo.read(config.data_dir))
    console.conclude(
        evaluation,
        run.path,
        *(() if config.on_device else [tensorboard(run.path)]),
        _next_command(config, run, model),
        export(run.path),
        contents=_contents(run),
    )


def measured(
    config: TrainingConfig, run: RunDirectory, training: Training
) -> tuple[VideoPredictor, results.Evaluation]:
    """Measures the best checkpoint on the test split, and writes and draws that."""
    model = load_model(run.path)
    frames = config.build_dataset().frames("test")
    whole = int(frames.cardinality())
    part = "test split" if whole <= config.test_sequences else f"first of {whole:,} test sequences"
    evaluation = results.evaluate(
        model,
        frames.take(config.test_sequences),
        f"{config.dataset} ({config.protocol}), {part}",
        config.context_frames,
        ssim_modes=dict.fromkeys(("skimage", config.error_protocol.ssim_mode)),
        protocol=config.error_protocol,
    )
    evaluation.write(
        run.metrics_file,
        training={
            "seconds": round(training.seconds, 1),
            "steps": training.steps,
            "best_step": training.best_step,
            "sequences": config.sequences(training.steps),
        },
    )
    evaluation.draw(run.curve_file)
    if model.image_shape[-1] in DRAWABLE_CHANNELS:
        _save_animation(model, config, run)
    return model, evaluation


def _conclude_without_test(run: RunDirectory) -> None:
    console.conclude(
        "TensorFlow, which draws the test split, isn't installed here: measure where it is.",
        run.path,
        command("trainers.train", resume=run.path),
        contents=_contents(run),
    )


def _contents(run: RunDirectory) -> str:
    return ", ".join(file.name for file in run.results if file.exists())


def _next_command(config: TrainingConfig, run: RunDirectory, model: VideoPredictor) -> str:
    if config.dataset in FOOTAGE and config.horizon > 1:
        return predict(run.path, model.image_shape[-1])
    further = {"horizon": 10} if config.horizon == 1 else {}  # Trained on the next frame alone.
    return command("trainers.evaluate", model=run.path, **further)


def _save_animation(model: VideoPredictor, config: TrainingConfig, run: RunDirectory) -> None:
    """Writes a GIF of test sequences: the truth beside the prediction."""
    context, targets = examples(config, "test", SHOWN_SEQUENCES)
    predictions = model.predict(context, verbose=0)
    scale = 2 if max(context.shape[2:4]) <= 64 else 1
    save_gif(run.animation_file, animation(context, targets, predictions, scale))


def examples(config: TrainingConfig, split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first sequences of a split: contexts `(N, T, H, W, C)` and targets."""
    frames = config.build_dataset().frames(split).take(count)
    return next(evaluation_batches(frames, config.context_frames, count).as_numpy_iterator())
