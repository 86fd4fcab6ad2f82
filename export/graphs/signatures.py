"""What an exported predictor can be asked, under the same names in every runtime.

    forecast          context                  -> predictions
    forecast_images   context_bytes            -> predictions_bytes
    prime             context                  -> frame, state_0, state_1, ...
    step              frame, state_0, ...      -> next_frame, next_state_0, ...

Frames are float32 in [0, 1], channels last, and all inputs have the batch in front: servers that
batch requests can't take scalars. `forecast` predicts a fixed number of frames; `prime` and `step`
predict any, and follow a live video at constant cost per frame: feed `step` the frame that came,
or the one it predicted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from export.graphs import checks
from iprnn_tf.cells.cell import States
from iprnn_tf.dynamic_rollout import dynamic_rollout, prime
from iprnn_tf.models import VideoPredictor
from iprnn_tf.rollout import observe

Tensors = dict[str, tf.Tensor]
Specs = dict[str, tf.TensorSpec]
IMAGE_CHANNELS = (1, 3)  # Of PNG and JPEG files, without transparency.


class Signatures:
    """The functions of one predictor, and the shapes they take.

    Args:
        model: a predictor that computes in float32.
        context_frames: T, or None where any number from 1 on will do.
        batch_size: B, or None where any will do.
    """

    def __init__(
        self,
        model: VideoPredictor,
        context_frames: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.model = model
        self.context_frames = context_frames
        self.batch_size = batch_size

    def forecast(self, context: tf.Tensor) -> Tensors:
        """Predicts the frames after a context; see the module."""
        return {"predictions": dynamic_rollout(self.model, context, self.model.horizon)}

    def prime(self, context: tf.Tensor) -> Tensors:
        """Predicts the frame after a context, with the states to go on from."""
        frame, states = prime(self.model, context)
        return {"frame": frame, **_named("state", states)}

    def step(self, **inputs: tf.Tensor) -> Tensors:
        """Predicts the frame after `frame`, with the states to go on from."""
        states = [inputs[name] for name in self.state_names]
        next_frame, next_states = self.model.step(inputs["frame"], states)
        return {"next_frame": next_frame, **_named("next_state", next_states)}

    def unrolled_prime(self, context: tf.Tensor) -> Tensors:
        """`prime` without a loop in the graph, for converters that can't look into one."""
        if self.context_frames is None:
            raise ValueError(
                "A graph without loops has a fixed number of context frames. Received: any number. "
                "Give --context_frames."
            )
        states = self._initial_states(self.batch_size or tf.shape(context)[0], context)
        frames = [context[:, index] for index in range(self.context_frames)]
        predictions, states = observe(self.model, frames, states)
        return {"frame": predictions[-1], **_named("state", states)}

    def forecast_images(self, context_bytes: tf.Tensor) -> Tensors:
        """Does `forecast` on PNG or JPEG files, and returns PNG files."""
        context = checks.decoded_images(context_bytes, self.model.image_shape)
        predictions = self.forecast(context)["predictions"]
        return {"predictions_bytes": checks.encoded_images(predictions)}

    @property
    def takes_images(self) -> bool:
        """Whether frames can be PNG and JPEG files, so that there is `forecast_images`."""
        return self.model.image_shape[2] in IMAGE_CHANNELS

    @property
    def state_names(self) -> list[str]:
        """Of the inputs of `step` and the outputs of `prime`, in order."""
        return [state.name for state in self.model.step_inputs()[1:]]

    def context_spec(self) -> Specs:
        """Returns the inputs of `forecast` and `prime`."""
        return _specs({"context": (self.batch_size, self.context_frames, *self.model.image_shape)})

    def step_spec(self) -> Specs:
        """Returns the inputs of `step`."""
        inputs = self.model.step_inputs()
        return _specs({one.name: (self.batch_size, *one.shape[1:]) for one in inputs})

    def images_spec(self) -> Specs:
        """Returns the inputs of `forecast_images`."""
        shape = (self.batch_size, self.context_frames)
        return {"context_bytes": tf.TensorSpec(shape, tf.string, name="context_bytes")}

    def concrete(self, loops: bool = True) -> dict[str, Any]:
        """Traces `forecast`, `prime` and `step` for a converter.

        Args:
            loops: whether the graphs may have loops; without there is no `forecast`, and the
                number of context frames must be known.

        Raises:
            ValueError: if a graph without loops would need a loop.
        """
        functions = self._functions()
        if not loops:
            del functions["forecast"]
            functions["prime"] = (self.unrolled_prime, self.context_spec())
        return {name: trace(function, specs) for name, (function, specs) in functions.items()}

    def served(self) -> dict[str, Any]:
        """Traces all signatures for a server: they check their inputs."""
        functions = self._functions()
        if self.takes_images:
            functions["forecast_images"] = (self.forecast_images, self.images_spec())
        return {
            name: trace(self._checked(function, specs), specs)
            for name, (function, specs) in functions.items()
        }

    def save(self, folder: Path, functions: dict[str, Any]) -> None:
        """Writes traced functions and the weights as a SavedModel."""
        module = tf.Module()
        module.weights = [variable.value for variable in self.model.variables]
        tf.saved_model.save(module, str(folder), functions)

    def _functions(self) -> dict[str, tuple[Callable[..., Tensors], Specs]]:
        return {
            "forecast": (self.forecast, self.context_spec()),
            "prime": (self.prime, self.context_spec()),
            "step": (self.step, self.step_spec()),
        }

    def _checked(self, function: Callable[..., Tensors], specs: Specs) -> Callable[..., Tensors]:
        def with_checks(**inputs: tf.Tensor) -> Tensors:
            inputs = {name: checks.shaped(inputs[name], spec) for name, spec in specs.items()}
            if "frame" in inputs:
                inputs |= self._checked_states(inputs)
            return function(**inputs)

        return with_checks

    def _checked_states(self, inputs: Tensors) -> Tensors:
        expected = self._initial_states(tf.shape(inputs["frame"])[0], inputs["frame"])
        return {
            name: checks.shaped_like(inputs[name], state, name, "frame")
            for name, state in _named("state", expected).items()
        }

    def _initial_states(self, batch_size: Any, frames: tf.Tensor) -> States:
        height, width, _ = self.model.image_shape
        size = (height or tf.shape(frames)[-3], width or tf.shape(frames)[-2])
        return self.model.initial_states(batch_size, image_size=size)


def trace(function: Callable[..., Tensors], specs: Specs) -> Any:
    """Returns the concrete function of one signature; there is no Python left in it."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Export writes TensorFlow graphs. Received: KERAS_BACKEND="
            f"{keras.backend.backend()}. Weights know no backend: export with "
            "KERAS_BACKEND=tensorflow."
        )
    return tf.function(function, autograph=False).get_concrete_function(**specs)


def _named(prefix: str, states: States) -> dict[str, Any]:
    return {f"{prefix}_{index}": state for index, state in enumerate(states)}


def _specs(shapes: dict[str, tuple[int | None, ...]]) -> Specs:
    return {name: tf.TensorSpec(shape, tf.float32, name=name) for name, shape in shapes.items()}
