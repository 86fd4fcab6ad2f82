"""What a graph says to inputs that don't fit: the argument, the rule, and what it received.

The checks are part of the graph, so that a server answers INVALID_ARGUMENT with these sentences
whatever language its client is written in.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

ANY = -1  # Of a dimension: any size from 1 on.
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"  # How such files begin.


def shaped(tensor: tf.Tensor, spec: tf.TensorSpec) -> tf.Tensor:
    """Returns the tensor, if it has the shape of the spec.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if it has another.
    """
    expected = [ANY if size is None else size for size in spec.shape]
    words = ", ".join("any" if size == ANY else str(size) for size in expected)
    shape = tf.shape(tensor)
    return tf.ensure_shape(
        _require(
            tensor,
            _matches(shape, expected),
            f"`{spec.name}` must have shape ({words}), where any is 1 or more. Received: shape",
            shape,
            "Resize or cut it, or export a model for it.",
        ),
        spec.shape,
    )


def shaped_like(tensor: tf.Tensor, model: tf.Tensor, name: str, given: str) -> tf.Tensor:
    """Returns the tensor, if it has the shape that another input asks for.

    Args:
        tensor: the input to check.
        model: a tensor of the right shape.
        name: of the input.
        given: name of the input that decides.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if it has another shape.
    """
    shape, expected = tf.shape(tensor), tf.shape(model)
    message = f"`{name}` must fit `{given}`: take it from `prime` or `step`. Received: shape"
    fits = tf.reduce_all(tf.equal(shape, expected))
    return _require(tensor, fits, message, shape, "where it should be", expected)


def decoded_images(files: tf.Tensor, image_shape: Sequence[int | None]) -> tf.Tensor:
    """Decodes PNG and JPEG files, `(B, T)` strings, to frames `(B, T, H, W, C)` in [0, 1].

    Grey files become colour ones and the other way round, as the model has it; nothing is
    resized.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if a file is of another kind,
            damaged, or an image of another size.
    """
    flat = tf.reshape(files, [-1])
    is_jpeg = tf.equal(tf.strings.substr(flat, 0, len(_JPEG)), _JPEG)
    is_png = tf.equal(tf.strings.substr(flat, 0, len(_PNG)), _PNG)
    known = is_jpeg | is_png
    message = "`context_bytes` must hold PNG or JPEG files. Received: another kind at index"
    first_bad = tf.argmin(tf.cast(known, tf.int32))
    flat = _require(flat, tf.reduce_all(known), message, first_bad, "of all its files. Encode it.")
    *sides, channels = image_shape

    def decode(file: tf.Tensor) -> tf.Tensor:
        # A damaged file is reported by this operation, under this name.
        return tf.io.decode_image(
            file, channels, expand_animations=False, name="context_bytes_holds_a_damaged_image"
        )

    first = tf.shape(decode(flat[0]))
    expected = tf.stack([side or first[axis] for axis, side in enumerate(sides)])

    def decode_checked(file: tf.Tensor) -> tf.Tensor:
        image = decode(file)
        size = tf.shape(image)[:2]
        message = "`context_bytes` must hold images of one height and width:"
        fits = tf.reduce_all(tf.equal(size, expected))
        return _require(image, fits, message, expected, "Received: one of", size, "Resize it.")

    frames = tf.map_fn(decode_checked, flat, fn_output_signature=tf.uint8)
    shape = tf.concat([tf.shape(files), expected, [channels]], axis=0)
    frames = tf.reshape(tf.cast(frames, tf.float32) / 255.0, shape)
    return tf.ensure_shape(frames, (*files.shape, *image_shape))


def encoded_images(frames: tf.Tensor) -> tf.Tensor:
    """Encodes frames `(B, K, H, W, C)`, clipped to [0, 1], as PNG files, `(B, K)` strings."""
    pixels = tf.cast(tf.round(tf.clip_by_value(frames, 0.0, 1.0) * 255.0), tf.uint8)
    shape = tf.shape(pixels)
    flat = tf.reshape(pixels, tf.concat([[-1], shape[2:]], axis=0))
    files = tf.map_fn(tf.io.encode_png, flat, fn_output_signature=tf.string)
    return tf.ensure_shape(tf.reshape(files, shape[:2]), frames.shape[:2])


def _matches(shape: tf.Tensor, expected: list[int]) -> tf.Tensor:
    # Compared at equal length, since the rank may be wrong too.
    rank = len(expected)
    sizes = tf.concat([shape, tf.zeros([rank], tf.int32)], axis=0)[:rank]
    fits = [
        sizes[axis] >= 1 if size == ANY else sizes[axis] == size
        for axis, size in enumerate(expected)
    ]
    return tf.reduce_all(tf.stack([tf.size(shape) == rank, *fits]))


def _require(tensor: tf.Tensor, condition: tf.Tensor, *message: str | tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.debugging.Assert(condition, list(message), summarize=8)]):
        return tf.identity(tensor)
