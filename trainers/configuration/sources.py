"""Which trained model a program is asked to use."""

from __future__ import annotations

from absl import flags

from iprnn_tf.presets import PRESETS


def define_flags(values: flags.FlagValues) -> None:
    """Defines the two flags that name a model."""
    flags.DEFINE_string("model", None, "Run directory, .keras file or preset.", flag_values=values)
    flags.DEFINE_string("preset", None, "Pretrained model, by name.", flag_values=values)


def from_flags(values: flags.FlagValues) -> str:
    """Returns what `iprnn_tf.models.load_model` loads the model from.

    Raises:
        ValueError: if the flags name none, or two, or an unknown preset.
    """
    if bool(values.model) == bool(values.preset):
        raise ValueError(
            "--model (a run directory, .keras file or preset) or --preset (by name) is needed. "
            f"Received: {'both' if values.model else 'neither'}. Give one; presets are "
            f"{', '.join(PRESETS)}."
        )
    if values.preset and values.preset not in PRESETS:
        raise ValueError(
            f"--preset is one of {', '.join(PRESETS)}. Received: {values.preset}. "
            "Give folders and addresses as --model."
        )
    return str(values.model or values.preset)
