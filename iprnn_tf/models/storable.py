"""What copies and files of a model keep beside its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import keras

from iprnn_tf.freezing import freeze


class StorableModel(keras.Model):
    """A model whose copies and files keep its frozen parts frozen.

    A class defines `get_config`, with `frozen_parts(self)` as `frozen` in it.
    """

    def save(self, filepath: str | Path, *args: Any, **kwargs: Any) -> None:
        """Saves the model; see `keras.Model.save`.

        Args:
            filepath: a `.keras` file.
            *args: as in Keras.
            **kwargs: as in Keras.

        Raises:
            ValueError: if it is an HDF5 file, which nothing could load.
        """
        if Path(filepath).suffix.lower() in (".h5", ".hdf5"):
            raise ValueError(
                "A predictor is saved as a .keras file. Received: "
                f"{filepath}, which Keras would write and couldn't load. Give "
                f"{Path(filepath).with_suffix('.keras')}; `save_weights` takes a .weights.h5 file."
            )
        super().save(filepath, *args, **kwargs)

    def in_precision(self, dtype: str) -> Self:
        """Returns a copy with the same weights whose layers compute in another precision."""
        copy = type(self).from_config({**self.get_config(), "dtype": dtype})
        copy.set_weights(self.get_weights())
        return copy

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        arguments = {**config}
        frozen = arguments.pop("frozen", None)
        model = cls(**cls._deserialized(arguments, custom_objects))
        if frozen is not None:  # Older files don't tell.
            freeze(model, frozen)
        return model

    @classmethod
    def _deserialized(cls, config: dict[str, Any], custom_objects: Any) -> dict[str, Any]:
        """Returns the constructor's arguments; a class with layers among them creates them."""
        return config
