"""Predicts all along a video, beside the truth, and measures how far it is off.

    python -m trainers.predict --model=runs/kitti-... --input=clip.mp4 --output=prediction.mp4
    python -m trainers.predict --preset=iprnn_small_moving_mnist --input=digits.npy --output=p.gif
    python -m trainers.predict --model=model.keras --input=frames/ --horizon=30 --output=strips.png
    python -m trainers.predict --model=runs/... --input=radar.h5 --output=predictions.npy

Forecasts follow each other: each sees the context that ends where the last one's predictions did,
and the last ones reach beyond the end of the video, where there is no truth. Frames are scaled and
cut to the model's size. An array (N, T, H, W, C) holds N videos, which are predicted in turn.

The suffix of --output says what is written: .gif or .mp4 an animation, the truth on the left and
the prediction on the right (GIFs are held in memory: long videos are for .mp4); .png filmstrips of
the first ten forecasts, context, truth, prediction and difference; .npy all predictions,
(forecasts, K, H, W, C), in the units of the data. Beside it lie a curve of the error over lead
time (.error.png) and the numbers (.error.json), of the model, of copying the last frame and of
black ones. Frames are taken as often as in training, where the input has time stamps.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from absl import flags

from iprnn_tf.data import FOOTAGE
from iprnn_tf.data.footage import Cut
from iprnn_tf.data.recordings import Video, size_of
from iprnn_tf.data.videos import open_videos
from iprnn_tf.models import VideoPredictor, load_model
from programs import command_line
from programs.commands import export, look_further
from programs.console import console
from programs.media import (
    FRAMES_PER_SECOND,
    Forecast,
    check_drawable,
    check_files,
    write_forecasts,
)
from trainers.configuration import sources
from trainers.configuration.footage import FootageSettings, say_note
from trainers.configuration.run_directory import config_of
from trainers.configuration.settings import define_flags, given_settings
from trainers.configuration.training_config import TrainingConfig
from trainers.measuring.forecasting import Forecaster, Schedule
from trainers.measuring.lead_times import LeadTimeErrors
from trainers.measuring.prediction_report import write_report

_SETTINGS = ("fps", "source_fps", "value_range", "missing")


def main(arguments: Sequence[str]) -> None:
    """Predicts as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    source = sources.from_flags(values)
    check_files(values.input, values.output)
    videos = open_videos(values.input)
    cut = FootageSettings(**given_settings(FootageSettings, values)).cut()
    model = load_model(source)
    check_drawable(values.output, model.image_shape[-1])
    trained = config_of(source) or TrainingConfig()
    schedule = _schedule(values, trained, model)
    if cut.missing is None:  # A run knows what NaN stands for in its data.
        cut = dataclasses.replace(cut, missing=trained.missing)
    if values.fps is None:
        cut = _at_trained_rate(cut, trained, videos)
    cut = _fitted(cut, model)
    forecaster, errors = Forecaster(model, schedule), LeadTimeErrors(_name(model), schedule.horizon)
    forecasts = itertools.islice(_forecasts(forecaster, videos, cut), values.forecasts)
    write_forecasts(
        values.output,
        errors.measured(_with_progress(forecasts, values.forecasts)),
        values.frames_per_second,
        cut.value_range,
    )
    facts = {
        "model": source,
        "input": values.input,
        "videos": len(videos),
        **dataclasses.asdict(schedule),
        "cut": cut.as_dict(),
    }
    report = write_report(Path(values.output), facts, errors)
    console.conclude(
        report,
        values.output,
        look_further("trainers.predict", values, schedule.horizon),
        export(source),
    )


def _define_flags(values: flags.FlagValues) -> None:
    define_string, define_integer = flags.DEFINE_string, flags.DEFINE_integer
    sources.define_flags(values)
    define_string("input", None, "Video, GIF, folder of frames or array.", flag_values=values)
    define_string("output", None, "A .gif, .mp4, .png or .npy file.", flag_values=values)
    define_integer(
        "context_frames",
        None,
        "Frames to start from, as trained by default.",
        1,
        flag_values=values,
    )
    define_integer(
        "horizon", None, "Frames to predict, by default the model's.", 1, flag_values=values
    )
    define_integer(
        "stride",
        None,
        "Frames from one forecast to the next, by default the horizon: no gap.",
        lower_bound=1,
        flag_values=values,
    )
    define_integer("start", 0, "First frame that is seen.", 0, flag_values=values)
    define_integer("forecasts", None, "At most so many, by default all.", 1, flag_values=values)
    define_flags(FootageSettings, values, _SETTINGS)
    flags.DEFINE_float(
        "frames_per_second",
        FRAMES_PER_SECOND,
        "Pace of the animation.",
        lower_bound=0.1,
        upper_bound=50.0,
        flag_values=values,
    )


def _fitted(cut: Cut, model: VideoPredictor) -> Cut:
    """Takes frames as the model wants them; sides that it leaves open are the frames' own."""
    trained = model.value_range or (0.0, 1.0)
    if cut.value_range and cut.value_range != trained:
        own, asked = (f"{low:g},{high:g}" for low, high in (trained, cut.value_range))
        console.say(
            f"Note: the model's --value_range is {own}, not {asked}: it sees other brightness than "
            "in training."
        )
    return cut.suited_to_model(model.image_shape, cut.value_range or model.value_range)


def _at_trained_rate(cut: Cut, trained: TrainingConfig, videos: list[Video]) -> Cut:
    """Takes frames as often as in training, where that is known, and when each was recorded."""
    footage = FOOTAGE.get(trained.dataset)
    fps = trained.fps or (footage and footage.recorded_fps)
    has_time = cut.source_fps or next(videos[0].frames()).seconds is not None
    if not fps or not has_time:
        return cut
    console.say(f"Frames are taken {fps:g} times a second, as in training (--fps).")
    return dataclasses.replace(cut, fps=fps)


def _schedule(values: flags.FlagValues, trained: TrainingConfig, model: VideoPredictor) -> Schedule:
    horizon = values.horizon or model.horizon
    return Schedule(
        context_frames=values.context_frames or trained.context_frames,
        horizon=horizon,
        stride=values.stride or horizon,
        start=values.start,
    )


def _name(model: VideoPredictor) -> str:
    return type(model).__name__


def _forecasts(forecaster: Forecaster, videos: list[Video], cut: Cut) -> Iterator[Forecast]:
    told = set()
    for video in videos:
        own = next(video.frames()).pixels
        wanted = cut.image_size
        if wanted and own.shape[:2] != wanted and own.shape not in told:
            console.say(
                f"Frames of {size_of(own)} are scaled and cut to {wanted[0]} x {wanted[1]}."
            )
            told.add(own.shape)
        remark = functools.partial(say_note, video.name)
        for text in video.remarks():
            remark(text)
        yield from forecaster.forecasts(cut.frames(video, remark), video.name)


def _with_progress(forecasts: Iterable[Forecast], total: int | None) -> Iterator[Forecast]:
    with console.progress("Predicting", total, "forecasts") as bar:
        for forecast in forecasts:
            bar.update()
            yield forecast


if __name__ == "__main__":
    command_line.run(main)
