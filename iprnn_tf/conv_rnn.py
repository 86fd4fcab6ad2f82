"""The Keras RNN layer for cells whose states are images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops
from keras.src import backend  # Keras has no public names for its loop and its masks.

from iprnn_tf.arguments import agree
from iprnn_tf.cells import Cell, stack_of
from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.freezing import updated_variables
from iprnn_tf.precision import compute_in

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="iprnn_tf")
class ConvRNN(keras.layers.RNN):
    """Runs a cell with image states over a sequence of images.

    `keras.layers.RNN` with a convolutional cell runs, but reports symbolic shapes without
    height and width and can't create the states of a stack. This layer does both and is
    otherwise the `RNN` that Keras users know: `stateful`, `go_backwards`, `unroll`, masks and
    `initial_state` included. It does the same on every backend, but that `stateful` is refused
    on JAX. A cell that updates variables in training, as Dropout and BatchNormalization do, is
    unrolled for it where T is known.

    Args:
        cell: a `Cell`, or a list of cells, which becomes a stack of the kind that they want.
        return_sequences: whether to return the features of every step, or of the last alone.
        return_state: whether to return the last states too.
        **kwargs: the other arguments of `keras.layers.RNN`. A `dtype` is that of the cells too;
            by default they keep their own.

    Call arguments:
        sequences: `(B, T, h, w, C)`.
        initial_state: optional list of `(B, h, w, state_size[i])` tensors, zeros by default.
        mask: optional booleans `(B, T)`; a masked step keeps the states, and repeats the features
            before it or, with `zero_output_for_mask`, gives zeros. A mask of pixels, as
            `keras.layers.Masking` makes, masks the steps of which it leaves no pixel.

    Returns:
        Features `(B, T, h, w, output_size)`, or `(B, h, w, output_size)` without
        `return_sequences`; with `return_state` followed by each state.

    Raises:
        ValueError: if the cell is not a `Cell`, the input isn't a sequence of images, a mask
            doesn't fit it, or a stateful layer isn't told its batch and image size.
    """

    def __init__(
        self,
        cell: Cell | Sequence[Cell],
        return_sequences: bool = False,
        return_state: bool = False,
        **kwargs: Any,
    ) -> None:
        if isinstance(cell, list | tuple):
            cell = stack_of(cell)
        if not isinstance(cell, Cell):
            raise ValueError(
                "`cell` must be an `iprnn_tf.cells.Cell` or a list of them. "
                f"Received: cell={cell!r}. Cells with flat states belong in `keras.layers.RNN`."
            )
        if kwargs.get("stateful") and keras.backend.backend() == "jax":
            raise ValueError(
                "On JAX, whose functions keep nothing between calls, a layer can't be stateful. "
                "Received: stateful=True. Give `return_state=True`, and the states that were "
                "returned as the next `initial_state`."
            )
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = cell.dtype_policy
        compute_in(cell, kwargs["dtype"])
        super().__init__(
            cell, return_sequences=return_sequences, return_state=return_state, **kwargs
        )

    def build(self, sequences_shape: Shape, initial_state_shape: Any = None) -> None:
        if len(sequences_shape) != 5:
            raise ValueError(
                "`ConvRNN` runs over sequences of shape (batch, time, height, width, channels). "
                f"Received: sequences of shape {tuple(sequences_shape)}. For a single step, call "
                "the cell."
            )
        if self.stateful and None in (sequences_shape[0], *sequences_shape[2:4]):
            raise ValueError(
                "A stateful layer keeps states of a fixed size. Received: sequences of shape "
                f"{tuple(sequences_shape)}. Give `keras.Input` a `batch_shape` whose batch, height "
                "and width are known."
            )
        super().build(sequences_shape, initial_state_shape)

    def compute_output_shape(
        self, sequences_shape: Shape, initial_state_shape: Any = None
    ) -> Shape | tuple[Shape, ...]:
        batch, time, height, width, _ = sequences_shape
        features = (batch, height, width, self.cell.output_size)
        output = (batch, time, *features[1:]) if self.return_sequences else features
        if not self.return_state:
            return output
        return output, *((batch, height, width, size) for size in self.state_size)

    def get_initial_state(
        self, batch_size: int | Tensor, image_size: tuple[int, int] | None = None
    ) -> States:
        return self.cell.get_initial_state(batch_size, image_size)

    def call(
        self,
        sequences: Tensor,
        initial_state: States | None = None,
        mask: Tensor | None = None,
        training: bool = False,
    ) -> Any:
        batch, _, height, width, _ = ops.shape(sequences)
        if initial_state is None:
            initial_state = self._kept(batch) or self.get_initial_state(batch, (height, width))
        states = [
            ops.cast(state, self.cell.compute_dtype) for state in keras.tree.flatten(initial_state)
        ]
        if mask is None:  # Keras hands it on only where the sequences come alone.
            mask = backend.get_keras_mask(sequences)
        mask = None if mask is None else _of_steps(mask, sequences)
        last, features, states = self.inner_loop(sequences, states, mask, training)
        for variable, state in zip(self.states or [], states, strict=False):
            variable.assign(ops.concatenate([state, variable[batch:]], axis=0))
        output = features if self.return_sequences else last
        return (output, *states) if self.return_state else output

    def _kept(self, batch: int | Tensor) -> States:
        """The states that a stateful layer stopped at, of as many sequences as there are now."""
        kept = self.states or []
        if kept and isinstance(batch, int) and batch > kept[0].shape[0]:
            raise ValueError(
                "A stateful layer goes on with the sequences that it began with. Received: "
                f"{batch} sequences, where it was built for {kept[0].shape[0]}. Give as many, or "
                "build another layer."
            )
        return [ops.copy(state[:batch]) for state in kept]  # PyTorch changes them in place.

    def inner_loop(
        self, sequences: Tensor, initial_state: States, mask: Tensor | None, training: bool = False
    ) -> tuple[Tensor, Tensor, States]:
        """Runs the cell in Keras's loop, which isn't shown the mask: backends differ there.

        Args:
            sequences: `(B, T, h, w, C)`.
            initial_state: list of `(B, h, w, state_size[i])` tensors.
            mask: booleans `(B, T)`, or None.
            training: whether the cell behaves as in training, of which Keras tells it.

        Returns:
            The last features, those of all steps if they are wanted, and the last states.
        """
        if mask is None:
            return self._loop(self.cell, sequences, initial_state, training)

        def masked_step(inputs: tuple[Tensor, Tensor], carried: States) -> tuple[Tensor, States]:
            features, seen = inputs
            before, *states = carried
            features, new_states = self.cell(features, states)
            features = ops.where(seen, features, before)
            states = [ops.where(seen, *pair) for pair in zip(new_states, states, strict=True)]
            return features, [before if self.zero_output_for_mask else features, *states]

        nothing = ops.zeros(
            (*ops.shape(initial_state[0])[:3], self.cell.output_size), self.cell.compute_dtype
        )
        seen = mask[:, :, None, None, None]  # (B, T, 1, 1, 1)
        last, features, (_, *states) = self._loop(
            masked_step, (sequences, seen), [nothing, *initial_state], training
        )
        return last, features, states

    def _loop(self, step: Any, inputs: Any, states: States, training: bool) -> Any:
        time = keras.tree.flatten(inputs)[0].shape[1]
        # What a cell updates would leak from JAX's loop; the others' run the first step twice.
        updates = bool(training and updated_variables(self.cell))
        return backend.rnn(
            step,
            inputs,
            states,
            go_backwards=self.go_backwards,
            unroll=self.unroll or (updates and time is not None),
            input_length=time,
            return_all_outputs=self.return_sequences,
        )

    def compute_mask(self, sequences: Tensor, mask: Any) -> Any:
        output_mask = None
        if self.return_sequences and mask is not None:
            output_mask = _of_steps(mask, sequences)
            if self.go_backwards:  # As the features are.
                output_mask = ops.flip(output_mask, axis=1)
        return [output_mask, *[None] * len(self.state_size)] if self.return_state else output_mask


def _of_steps(mask: Any, sequences: Tensor) -> Tensor:
    """The mask of the steps, `(B, T)`; a step is seen if any of its pixels is."""
    mask = ops.cast(ops.convert_to_tensor(mask), "bool")
    given = tuple(mask.shape)
    if len(given) not in (2, 4) or not agree(given, sequences.shape[: len(given)]):
        raise ValueError(
            "A mask has one boolean for each step, (B, T), or for each pixel, (B, T, h, w). "
            f"Received: mask of shape {given} for sequences of shape {tuple(sequences.shape)}. "
            "Repeat or cut it."
        )
    return mask if len(given) == 2 else ops.any(mask, axis=(2, 3))
