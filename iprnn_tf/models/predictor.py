"""What every video predictor is: a step from one frame to the next, and its rollout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
from keras import ops

from iprnn_tf.arguments import agree, checked_image_shape, checked_value_range, integer
from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.dynamic_rollout import dynamic_rollout
from iprnn_tf.freezing import frozen_parts
from iprnn_tf.models.storable import StorableModel
from iprnn_tf.presets import PRESETS, load_preset
from iprnn_tf.rollout import rollout


class VideoPredictor(StorableModel):
    """Predicts the frames that follow a context, one step at a time.

    A predictor defines three primitives, and the states they start from:

        encode(frame) -> (features, skips)
        advance(features, states) -> (features, states)
        decode(features, skips) -> frame

    Everything else follows: `step` is the three in a row, `rollout` feeds predictions back,
    `predict(context)` returns the next `horizon` frames without any labels, and `fit` takes
    what `iprnn_tf.data.windows` makes. Frames are float in [0, 1], channels last; predictions
    are float32 and not clipped. A layer whose `trainable` is set to False stays frozen in every
    copy and saved file of the model.

    Args:
        image_shape: (H, W, C) of a frame; H and W may be None, C may not.
        horizon: K, how many frames `predict` returns.
        value_range: what 0 and 1 in a frame stand for in the data's own units, (low, high), as
            for radar; None for pictures.

    Call arguments:
        inputs: the context `(B, T, H, W, C)`, or the dict that training uses: `context`,
            `teacher` `(B, K - 1, H, W, C)`, `use_teacher` `(B, K - 1)` and, for reverse
            scheduled sampling, `use_context` `(B, T - 1)`; with `has_own_loss`, `next_frames`.
        training: whether layers such as Dropout behave as in training; as always in Keras, `fit`
            says so, and `predict`, `rollout` and `step` don't.

    Returns:
        For a context the K next frames, `(B, K, H, W, C)`; for a dict all next frames from the
        second of the context on, `(B, T + K - 1, H, W, C)`.

    Raises:
        ValueError: if `image_shape`, `horizon` or `value_range` is out of range, or a context has
            another shape.
    """

    presets: ClassVar[Mapping[str, dict[str, Any]]] = PRESETS
    # Whether, given `next_frames` too, it adds what it learns from and is compiled with loss=None.
    has_own_loss: ClassVar[bool] = False

    def __init__(
        self,
        image_shape: Sequence[int | None],
        horizon: int = 10,
        value_range: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        # Frames stay float32: the layers cast them to the precision they compute in.
        super().__init__(autocast=False, **kwargs)
        self.image_shape = checked_image_shape(image_shape)
        self.horizon = horizon
        self.value_range = checked_value_range(value_range)

    @classmethod
    def from_preset(cls, source: str | Path, dtype: str = "float32") -> Self:
        """Creates a model with pretrained weights; `presets` holds those that ship with it.

        Args:
            source: a name in `presets`; the folder or `.zip` file of a preset; or the address
                of such a file with its hash, `https://...zip#sha256=...`.
            dtype: precision of the layers, such as "mixed_bfloat16".

        Raises:
            ValueError: if there is no such preset, its files are damaged or don't fit
                together, or it is of another class.
        """
        model = load_preset(source, dtype)
        if not isinstance(model, cls):
            raise ValueError(
                f"{cls.__name__}.from_preset loads models of this class. Received: {source}, "
                f"which is of {type(model).__name__}. Use {type(model).__name__}.from_preset."
            )
        return model

    @property
    def horizon(self) -> int:
        """K, how many frames `predict` returns; it may be changed at any time."""
        return self._horizon

    @horizon.setter
    def horizon(self, horizon: int) -> None:
        self._horizon = integer(
            "horizon", horizon, "It is the number of frames to predict; the paper's is 10."
        )
        # What Keras has traced holds the horizon of its time.
        self.train_function = self.test_function = self.predict_function = None

    def encode(self, frame: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Returns the features of a frame and the skips for `decode`, finest first."""
        raise NotImplementedError(f"{type(self).__name__} must define `encode`.")

    def advance(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        """Returns the features of the next frame and the states after this one."""
        raise NotImplementedError(f"{type(self).__name__} must define `advance`.")

    def decode(self, features: Tensor, skips: list[Tensor]) -> Tensor:
        """Returns the frame `(B, H, W, C)` that the features describe."""
        raise NotImplementedError(f"{type(self).__name__} must define `decode`.")

    def initial_states(
        self, batch_size: int | Tensor, image_size: tuple[int, int] | None = None
    ) -> States:
        """Returns the states before the first frame, a flat list of tensors.

        Args:
            batch_size: B.
            image_size: (H, W) of the frames; needed where `image_shape` leaves them open.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `initial_states`.")

    def step(self, frame: Tensor, states: States) -> tuple[Tensor, States]:
        """Predicts the frame after this one: Eq. 1 of the paper.

        Args:
            frame: `(B, H, W, C)` in [0, 1].
            states: what `initial_states` or the last `step` returned.

        Returns:
            The next frame, `(B, H, W, C)`, and the states to go on from.
        """
        features, skips = self.encode(frame)
        features, states = self.advance(features, states)
        return self.decode(features, skips), states

    def rollout(self, context: Tensor, horizon: int | None = None, **kwargs: Any) -> Tensor:
        """Predicts `horizon` frames after a context; see `iprnn_tf.rollout`.

        Args:
            context: `(B, T, H, W, C)`, any T.
            horizon: any number of frames; by default the model's own.
            **kwargs: `teacher`, `use_teacher`, `use_context` and `return_warm_up`.
        """
        context = ops.convert_to_tensor(context)
        self._check_context(context)
        context = ops.cast(context, "float32")
        horizon = self.horizon if horizon is None else horizon
        if context.shape[1] is None and not kwargs:  # As Keras traces `predict` in the end.
            return dynamic_rollout(self, context, horizon)
        return rollout(self, context, horizon, **kwargs)

    def call(self, inputs: Tensor | dict[str, Tensor], training: bool | None = None) -> Tensor:
        return _Rollout(autocast=False)(inputs, predict=self._next_frames, training=training)

    def _next_frames(self, inputs: Tensor | dict[str, Tensor]) -> Tensor:
        if not isinstance(inputs, dict):
            return self.rollout(inputs)
        self._check_training(inputs)
        return self.rollout(**inputs, horizon=inputs["teacher"].shape[1] + 1, return_warm_up=True)

    def _check_training(self, inputs: dict[str, Tensor]) -> None:
        if not {"context", "teacher", "use_teacher"} <= set(inputs):
            raise ValueError(
                "Training takes a dict of `context` (B, T, H, W, C), `teacher` (B, K - 1, H, W, C) "
                f"and `use_teacher`, booleans (B, K - 1). Received: {sorted(inputs)}. "
                "`iprnn_tf.data.windows.TrainingWindows` makes such batches; a context alone "
                "trains on the model's own predictions."
            )
        if None in (inputs["context"].shape[1], inputs["teacher"].shape[1]):
            shapes = {name: tuple(tensor.shape) for name, tensor in inputs.items()}
            raise ValueError(
                "On TensorFlow, `fit` and `evaluate` keep to one number of frames. Received: "
                f"inputs of shapes {shapes}, whose lengths the graph can't know. Give all "
                "batches the same lengths, and call `compile` again before other ones."
            )

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Predicts the `horizon` frames after each context; see `keras.Model.predict`.

        Args:
            x: contexts `(B, T, H, W, C)`, or batches of them.
            *args: as in Keras.
            **kwargs: as in Keras.
        """
        if hasattr(x, "shape"):  # A later trace may not know the shapes any more.
            self._check_context(x)
        return super().predict(x, *args, **kwargs)

    def export(
        self,
        filepath: str | Path,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Exports `predict` for other runtimes; see `keras.Model.export`.

        The `input_signature` may be left out: it is a context of any batch size and, with the
        TensorFlow backend, of any length. `export.saved_model` and its kin export streaming and
        checks too.

        Args:
            filepath: where to.
            format: as in Keras.
            verbose: as in Keras.
            input_signature: as in Keras.
            **kwargs: as in Keras.

        Raises:
            ValueError: if another backend isn't given an `input_signature`.
        """
        input_signature = input_signature or [self._context_spec()]
        super().export(filepath, format, verbose, input_signature, **kwargs)

    def _context_spec(self) -> keras.InputSpec:
        if keras.backend.backend() != "tensorflow":
            shape = ("None", "T", *map(str, self.image_shape))
            raise ValueError(
                "Only TensorFlow exports a context of any length. Received: no `input_signature`, "
                f"with the {keras.backend.backend()} backend. Give [keras.InputSpec(shape="
                f"({', '.join(shape)}), dtype='float32', name='context')], with T frames."
            )
        return keras.InputSpec(
            shape=(None, None, *self.image_shape), dtype="float32", name="context"
        )

    def step_inputs(self) -> list[keras.KerasTensor]:
        """Returns what `step` takes as Keras inputs: `frame`, then `state_0`, `state_1`, ...

        Their batch is open, and so are the sides that `image_shape` leaves open.
        """
        height, width, _ = self.image_shape
        states = [
            keras.Input(
                (height and state.shape[1], width and state.shape[2], state.shape[3]),
                name=f"state_{index}",
                dtype=keras.backend.standardize_dtype(state.dtype),
            )
            for index, state in enumerate(self.initial_states(1, (height or 1, width or 1)))
        ]
        return [keras.Input(self.image_shape, name="frame"), *states]

    def step_model(self) -> keras.Model:
        """Returns `step` as a functional Keras model that shares this model's weights.

        Inputs and outputs are `[frame, *states]`, for plots, summaries and other runtimes.
        """
        frame, *states = self.step_inputs()
        next_frame, next_states = self.step(frame, states)
        return keras.Model([frame, *states], [next_frame, *next_states], name=f"{self.name}_step")

    def _check_context(self, context: Tensor) -> None:
        dtype = keras.backend.standardize_dtype(context.dtype)
        if not keras.backend.is_float_dtype(dtype):
            raise ValueError(
                f"Frames are float in [0, 1]. Received: context of {dtype}. Divide bytes by 255."
            )
        shape = tuple(context.shape)
        expected = ("batch", "time", *(side or "any" for side in self.image_shape))
        if len(shape) != 5 or not agree(shape[2:], self.image_shape):
            raise ValueError(
                f"The context of {self.name!r} must have shape ({', '.join(map(str, expected))}). "
                f"Received: context of shape {shape}. Add or resize axes, or build the model "
                "with another `image_shape`."
            )

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
            "image_shape": list(self.image_shape),
            "horizon": self.horizon,
            "value_range": self.value_range and list(self.value_range),
            "frozen": frozen_parts(self),
        }


class _Rollout(keras.layers.Layer):
    """Has all layers that a function calls know the mode, as those within a layer do.

    On JAX, `fit` calls no model but its `call`, and the layers within would not know.
    """

    def call(
        self, inputs: Any, predict: Callable[[Any], Tensor], training: bool | None = None
    ) -> Tensor:
        del training  # Keras hands it on.
        return predict(inputs)
