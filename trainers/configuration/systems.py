"""The systems of the paper's tables as they were published, in the words of the settings.

Each is its architecture at its own width; how it learns is the configuration's. ConvLSTM, PredRNN
and PredRNN++ are those that OpenSTL compares, on patches; PredRNN++ had a first layer twice as wide
as the others in its paper.
"""

from __future__ import annotations

from typing import Any

_COMMON: dict[str, Any] = {
    "kernel_size": 5,
    "num_layers": 4,
    "num_downsamplings": 2,
    "encoder_filters": None,
    "skips": True,
    "output_activation": "linear",
}
_PATCHES: dict[str, Any] = {**_COMMON, "model_type": "patch_rnn", "filters": 128, "patch_size": 4}

SYSTEMS: dict[str, dict[str, Any]] = {
    "iprnn": {"cell": "stgru", "filters": 64, **_COMMON},
    "conv_lstm": {"cell": "conv_lstm", "forget_bias": 0.0, **_PATCHES},
    "predrnn": {"cell": "st_lstm", **_PATCHES},
    "predrnn_pp": {"cell": "causal_lstm", "hidden_to_output": True, **_PATCHES},
}
