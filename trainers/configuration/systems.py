"""The systems of the paper's tables as they were published, in the words of the settings.

Each is its architecture at its own width; how it learns is the configuration's.
"""

from __future__ import annotations

from typing import Any

_LAYERS: dict[str, Any] = {"num_layers": 4, "encoder_filters": None}
_PATCHES: dict[str, Any] = {"model_type": "patch_rnn", "filters": 128, **_LAYERS}

SYSTEMS: dict[str, dict[str, Any]] = {
    "iprnn": {"cell": "stgru", "filters": 64, **_LAYERS},
    "conv_lstm": {"cell": "conv_lstm", **_PATCHES},
    "predrnn": {"cell": "st_lstm", **_PATCHES},
    "predrnn_pp": {"cell": "causal_lstm", **_PATCHES},
}
