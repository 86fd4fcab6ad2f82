"""The architecture of a model, in the words of the settings."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from iprnn_tf.cells import CELLS
from iprnn_tf.data import FOOTAGE
from iprnn_tf.data.shaping import CONVERTIBLE_CHANNELS
from iprnn_tf.models import MODELS, VideoPredictor, load_model
from trainers.configuration.footage import is_prepared
from trainers.configuration.training_config import TrainingConfig
from trainers.configuration.training_settings import NORMALIZATIONS

_KEYS = {kind.__name__: key for key, kind in (CELLS | MODELS).items()}


def settings_of(source: str, dataset: str, data_dir: str) -> dict[str, Any]:
    """Returns the settings that a pretrained model fixes: its architecture and its channels.

    Args:
        source: as for `load_model`.
        dataset: to be trained on; channels are a setting of real video alone.
        data_dir: of that; prepared video keeps the channels it has.

    Raises:
        ValueError: if there is no such model.
    """
    pretrained = load_model(source)
    settings = architecture(pretrained)
    channels = pretrained.image_shape[-1]
    if dataset in FOOTAGE and not is_prepared(data_dir) and channels in CONVERTIBLE_CHANNELS:
        settings["channels"] = channels
    return settings


def architecture(model: VideoPredictor) -> dict[str, Any]:
    """Returns what the weights depend on beside the frames' shape, as settings."""
    config = model.get_config()
    cell = config.get("cell", {"class_name": "none", "config": {}})
    names = {field.name for field in dataclasses.fields(TrainingConfig)}
    names -= {"horizon", "value_range"}
    return {
        **{name: value for name, value in (config | cell["config"]).items() if name in names},
        "model_type": _KEYS.get(type(model).__name__, type(model).__name__),
        "cell": _KEYS.get(cell["class_name"], cell["class_name"]),
        "normalization": _normalization_name(cell["config"].get("normalization")),
    }


def _normalization_name(serialized: dict[str, Any] | None) -> str:
    """The setting that makes such a layer, or else the layer's class."""
    for name, create in NORMALIZATIONS.items():
        if _nameless(keras.saving.serialize_keras_object(create())) == _nameless(serialized):
            return name
    return str((serialized or {})["class_name"])


def _nameless(serialized: dict[str, Any] | None) -> Any:
    config = (serialized or {}).get("config", {})
    return [(key, value) for key, value in config.items() if key not in ("name", "dtype")]
