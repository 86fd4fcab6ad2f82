"""The systems of the paper's tables as they were published, in the words of the settings.

Each is its architecture at its own width; how it learns is the configuration's. ConvLSTM, PredRNN
and PredRNN++ are those that OpenSTL compares, on patches; PredRNN++ had a first layer twice as wide
as the others in its paper. E3D-LSTM, CrevNet and FRNN have the size of
their authors' code, VPN that of its paper; what deviates the classes' docstrings tell.
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
    "e3d_lstm": {
        **_PATCHES,
        "cell": "e3d_lstm",
        "clips": True,
        "filters": 64,
        "use_bias": True,
        "normalization": "group",
    },
    "crevnet": {
        "model_type": "crevnet",
        "cell": "rpm",
        "clips": True,
        "filters": 64,
        "kernel_size": 3,
        "use_bias": True,
        "num_layers": 8,
        "patch_size": 2,
        "blocks": None,
        "output_activation": "linear",
    },
    "frnn": {
        **_COMMON,
        "model_type": "folded_rnn",
        "cell": "bijective_gru",
        "filters": 256,
        "use_bias": True,
        "num_layers": 2,
        "num_downsamplings": 4,
        "encoder_filters": [64, 128, 256, 512],
    },
    "vpn": {
        "model_type": "vpn",
        "cell": "conv_lstm",
        "filters": 256,
        "kernel_size": 3,
        "use_bias": True,
        "num_layers": 1,
        "blocks": None,
        "levels": 256,
    },
}
# Systems whose width follows from the frames.
OF_ONE_WIDTH = ("crevnet",)
# Systems that are compared only where they are named: a step takes minutes on a CPU.
ON_REQUEST = ("vpn",)
