"""Does an artefact predict what its model predicts?"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from export.artifacts.artifact import BATCH_SIZE, Artifact
from export.inputs.source import Source
from programs.command_line import Failure
from programs.tables import aligned

CALIBRATED, COMPARED = 16, 24  # Validation sequences: int8 is calibrated on the first.
STREAMED = 4  # Of those compared.
STREAMING_ERROR = 1e-4  # Of a pixel, at most.


@dataclasses.dataclass(frozen=True)
class Limits:
    """How far an artefact of some precision may be from its model.

    Args:
        psnr: dB, at least, of its predictions against the model's, over the whole rollout.
        mse_change: relative, at most, of the squared error on true sequences.
    """

    psnr: float
    mse_change: float


LIMITS = {
    "float32": Limits(100.0, 0.0001),
    "float16": Limits(60.0, 0.005),
    "dynamic": Limits(35.0, 0.03),
    "int8": Limits(30.0, 0.05),
}


@dataclasses.dataclass(frozen=True)
class Report:
    """What parts an artefact from its model, on the same sequences.

    Args:
        precision: of the artefact.
        max_error: largest difference of a pixel, `(K,)` over lead time.
        squared_error: mean squared difference of predictions, `(K,)` over lead time.
        streaming_error: largest difference of a pixel between `forecast` and `prime` with `step`.
        sequences: how many.
        model_mse: the model's own squared error, summed over a frame.
        artifact_mse: the artefact's.
    """

    precision: str
    max_error: np.ndarray
    squared_error: np.ndarray
    streaming_error: float
    sequences: int
    model_mse: float
    artifact_mse: float

    @property
    def psnr(self) -> float:
        """Of the artefact's predictions against the model's, in dB."""
        return psnr(float(self.squared_error.mean()))

    @property
    def mse_change(self) -> float:
        """Relative, of the squared error on true sequences."""
        if self.artifact_mse == self.model_mse:
            return 0.0
        return self.artifact_mse / self.model_mse - 1 if self.model_mse else math.inf

    def __str__(self) -> str:
        horizon = range(1, len(self.max_error) + 1)
        limits = LIMITS[self.precision]
        per_lead_time = [
            ["lead time", *map(str, horizon)],
            ["max error", *(f"{error:.1e}" for error in self.max_error)],
            ["PSNR (dB)", *(f"{psnr(error):.1f}" for error in self.squared_error)],
        ]
        return (
            f"{aligned(per_lead_time)}\n\n"
            f"Predictions against the model's: {self.psnr:.1f} dB "
            f"({limits.psnr:.0f} or more in {self.precision}).\n"
            f"prime and step against forecast: {self.streaming_error:.1e} at most.\n"
            f"MSE on {self.sequences} true sequences: {self.artifact_mse:.2f}, "
            f"the model's {self.model_mse:.2f}: {self.mse_change:+.2%} "
            f"({limits.mse_change:.2%} at most)."
        )

    def check(self) -> None:
        """Raises a Failure if the artefact isn't the model any more."""
        limits = LIMITS[self.precision]
        fits = (  # Said so that it is false of NaN.
            self.psnr >= limits.psnr
            and abs(self.mse_change) <= limits.mse_change
            and self.streaming_error <= STREAMING_ERROR
        )
        if not fits:
            raise Failure(
                f"The {self.precision} artefact has drifted from its model: {self.psnr:.1f} dB and "
                f"{self.mse_change:+.2%} MSE, {self.streaming_error:.1e} when streamed, where "
                f"{limits.psnr:.0f} dB, {limits.mse_change:.2%} and {STREAMING_ERROR:.1e} "
                "are the limits. Try a higher precision."
            )


def compare(model: Source, artifact: Artifact, data: str | None = None) -> Report:
    """Rolls both out on the same validation sequences.

    Args:
        model: the model in Keras.
        artifact: what was exported from it.
        data: array of true sequences; by default what it was trained on.

    Raises:
        Failure: if the artefact was exported from another model, or doesn't run.
    """
    if artifact.description["fingerprint"] != model.fingerprint:
        raise Failure(
            f"{artifact.path} was exported from another model than {model.name}: their "
            "fingerprints differ. Export it again, or give its own --model."
        )
    sequences = model.sequences("validation", CALIBRATED + COMPARED, data)
    sequences = sequences[CALIBRATED:] if len(sequences) > CALIBRATED else sequences
    horizon = model.model.horizon
    context, targets = sequences[:, :-horizon], sequences[:, -horizon:]
    expected = model.model.predict(context, batch_size=BATCH_SIZE, verbose=0)
    received, streamed = _run(artifact, context)
    difference = received - expected
    axes = (0, 2, 3, 4)
    return Report(
        precision=artifact.precision,
        max_error=np.abs(difference).max(axes),
        squared_error=np.square(difference, dtype=np.float64).mean(axes),
        streaming_error=float(np.abs(received[: len(streamed)] - streamed).max()),
        sequences=len(sequences),
        model_mse=frame_error(expected, targets),
        artifact_mse=frame_error(received, targets),
    )


def _run(artifact: Artifact, context: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    try:
        return artifact.forecast(context), artifact.stream(context[:STREAMED])
    except Exception as error:  # Each runtime raises its own.
        raise Failure(f"{artifact.path} can't be run ({error}). Export it again.") from error


def frame_error(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Returns the squared error, summed over a frame, of predictions clipped to [0, 1]."""
    squared = np.square(np.clip(predictions, 0, 1) - targets, dtype=np.float64)
    return float(squared.sum(axis=(2, 3, 4)).mean())


def psnr(squared_error: float) -> float:
    """Returns the peak signal-to-noise ratio of frames in [0, 1], in dB."""
    return 10 * math.log10(1 / squared_error) if squared_error else math.inf
