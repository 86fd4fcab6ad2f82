"""What an exported predictor can be asked: names, shapes, types and answers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import HORIZON, IMAGE_SHAPE, TIME, contexts, tiny

from export.graphs.signatures import Signatures
from export.inputs.source import Source
from iprnn_tf import BlackFrames, CopyLastFrame

STATES = {"state_0": (18, 20, 4), "state_1": (18, 20, 4)}  # 36 x 40, halved once.


@pytest.fixture(scope="module", name="model")
def _model():
    return tiny()


@pytest.fixture(scope="module", name="served")
def _served(model):
    return Signatures(model, TIME).served()


def forecast(model, context):
    return model.predict(context, verbose=0)


def pixels(frames):
    """Frames as they are written into files."""
    return np.round(np.clip(frames, 0.0, 1.0) * 255.0).astype(np.uint8)


def files(images, encode=tf.io.encode_png):
    """Image files `(B, T)` of pixels `(B, T, H, W, C)`."""
    return tf.constant([[encode(image).numpy() for image in sequence] for sequence in images])


def decoded(encoded):
    return np.stack([[tf.io.decode_png(file).numpy() for file in row] for row in encoded.numpy()])


def shapes(specs):
    return {name: tuple(spec.shape) for name, spec in specs.items()}


def test_inputs_and_outputs_have_the_names_and_shapes_of_the_contract(served):
    context = {"context": (None, TIME, *IMAGE_SHAPE)}
    states = {name: (None, *shape) for name, shape in STATES.items()}
    frame = (None, *IMAGE_SHAPE)
    expected = {
        "forecast": (context, {"predictions": (None, HORIZON, *IMAGE_SHAPE)}),
        "prime": (context, {"frame": frame, **states}),
        "step": (
            {"frame": frame, **states},
            {"next_frame": frame, **{f"next_{name}": shape for name, shape in states.items()}},
        ),
        "forecast_images": (
            {"context_bytes": (None, TIME)},
            {"predictions_bytes": (None, HORIZON)},
        ),
    }
    received = {
        name: (
            shapes(function.structured_input_signature[1]),
            shapes(function.structured_outputs),
        )
        for name, function in served.items()
    }
    assert received == expected


def test_numbers_are_float32_and_files_are_bytes(served):
    for name, function in served.items():
        specs = [*function.structured_input_signature[1].values()]
        specs += function.structured_outputs.values()
        expected = tf.string if name == "forecast_images" else tf.float32
        assert {spec.dtype for spec in specs} == {expected}


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_any_batch_is_answered_as_predict_answers_it(model, served, batch):
    context = contexts(batch)
    received = served["forecast"](context=tf.constant(context))["predictions"]
    np.testing.assert_array_equal(received, forecast(model, context))


def test_prime_and_steps_are_a_forecast(model, served):
    context = contexts()
    outputs = served["prime"](context=tf.constant(context))
    frames = [outputs["frame"]]
    for _ in range(HORIZON - 1):
        states = [outputs[f"state_{index}"] for index in range(2)]
        outputs = served["step"](frame=frames[-1], state_0=states[0], state_1=states[1])
        frames.append(outputs["next_frame"])
        outputs = {name.removeprefix("next_"): value for name, value in outputs.items()}
    np.testing.assert_allclose(np.stack(frames, axis=1), forecast(model, context), atol=1e-6)


def test_states_are_numbered_from_the_lowest_layer_up(model, served):
    context, states = contexts(), model.initial_states(2)
    for time in range(TIME):
        _, states = model.step(context[:, time], states)
    outputs = served["prime"](context=tf.constant(context))
    for name, expected in zip(STATES, states, strict=True):
        np.testing.assert_allclose(outputs[name], expected, atol=1e-6)


def test_any_number_of_context_frames_is_taken_where_none_is_set(model):
    served = Signatures(model, None).served()
    for time in (1, 2, 5):
        context = contexts(time=time)
        received = served["forecast"](context=tf.constant(context))["predictions"]
        np.testing.assert_allclose(received, model.rollout(context), atol=1e-6)
        images = served["forecast_images"](context_bytes=files(pixels(context)))
        assert images["predictions_bytes"].shape == (2, HORIZON)


def test_frames_of_any_size_are_taken_where_none_is_set():
    model = tiny((None, None, 1))
    served = Signatures(model, TIME).served()
    assert shapes(served["step"].structured_input_signature[1]) == {
        "frame": (None, None, None, 1),
        "state_0": (None, None, None, 4),
        "state_1": (None, None, None, 4),
    }
    for size in [(8, 16), (11, 7)]:
        context = tf.constant(contexts(image_shape=(*size, 1)))
        primed = served["prime"](context=context)
        inputs = {name: primed[name] for name in ("frame", *STATES)}
        predictions = served["forecast"](context=context)["predictions"]
        next_frame = served["step"](**inputs)["next_frame"]
        np.testing.assert_allclose(next_frame, predictions[:, 1], atol=1e-6)
        np.testing.assert_allclose(predictions, model.rollout(context), atol=1e-6)


def test_a_model_trained_in_bfloat16_answers_in_float32(tmp_path):
    trained = tiny(dtype="mixed_bfloat16")
    trained.save(tmp_path / "model.keras")
    source = Source.load(tmp_path / "model.keras", TIME)
    context = contexts()
    outputs = Signatures(source.model, TIME).served()["prime"](context=tf.constant(context))
    assert {value.dtype for value in outputs.values()} == {tf.float32}
    in_float32 = tiny()
    expected = in_float32.rollout(context, horizon=1)[:, 0]
    np.testing.assert_allclose(outputs["frame"], expected, atol=1e-6)
    assert source.fingerprint == Source("", in_float32, TIME, {}, {}).fingerprint


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_answered_like_the_frames_in_them(channels):
    model = tiny((12, 20, channels))
    images = pixels(contexts(image_shape=model.image_shape))
    expected = forecast(model, images.astype("float32") / 255.0)
    served = Signatures(model, TIME).served()["forecast_images"]
    received = decoded(served(context_bytes=files(images))["predictions_bytes"])
    assert received.shape == expected.shape
    np.testing.assert_allclose(received, pixels(expected), atol=1)  # Roundings at a half.
    assert np.mean(received == pixels(expected)) > 0.99


@pytest.mark.parametrize("channels", [1, 3])
def test_every_pixel_value_survives_the_way_through_float(channels):
    served = Signatures(CopyLastFrame((16, 48, channels), horizon=1), 1).served()
    images = np.arange(16 * 48 * channels).reshape(1, 1, 16, 48, channels).astype(np.uint8)
    received = served["forecast_images"](context_bytes=files(images))["predictions_bytes"]
    np.testing.assert_array_equal(decoded(received), images)


def test_jpeg_files_are_decoded_too(model, served):
    encoded = files(pixels(contexts()), tf.io.encode_jpeg)
    frames = [[tf.io.decode_jpeg(file) / 255 for file in row] for row in encoded.numpy()]
    expected = pixels(forecast(model, np.array(frames, "float32")))
    received = decoded(served["forecast_images"](context_bytes=encoded)["predictions_bytes"])
    np.testing.assert_allclose(received, expected, atol=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour_files_are_turned_into_what_the_model_has(channels):
    signatures = Signatures(CopyLastFrame((12, 20, channels), horizon=2), TIME)
    grey = pixels(contexts(image_shape=(12, 20, 1)))
    colour = np.repeat(grey, 3, axis=-1)
    outputs = signatures.served()["forecast_images"]
    for images in (grey, colour):
        received = decoded(outputs(context_bytes=files(images))["predictions_bytes"])
        np.testing.assert_allclose(received[:, 0], grey[:, -1].repeat(channels, -1), atol=1)


def test_predictions_are_clipped_before_they_become_images():
    signatures = Signatures(BlackFrames((4, 6, 1), horizon=1), TIME)
    signatures.model.decode = lambda features, skips: (
        features * 0 + tf.constant([[[-2.0], [3.0]] * 3])
    )
    black_and_white = decoded(
        signatures.served()["forecast_images"](
            context_bytes=files(pixels(contexts(1, image_shape=(4, 6, 1))))
        )["predictions_bytes"]
    )
    assert black_and_white[0, 0, 0, :2, 0].tolist() == [0, 255]


def test_frames_that_no_image_file_holds_have_no_signature_for_images():
    signatures = Signatures(tiny((12, 20, 2)), TIME)
    assert not signatures.takes_images
    assert set(signatures.served()) == {"forecast", "prime", "step"}


def test_a_model_without_states_streams_too():
    served = Signatures(CopyLastFrame((12, 20, 1), horizon=2), TIME).served()
    context = contexts(image_shape=(12, 20, 1))
    assert list(served["prime"](context=tf.constant(context))) == ["frame"]
    received = served["step"](frame=tf.constant(context[:, 0]))["next_frame"]
    np.testing.assert_array_equal(received, context[:, 0])


def test_a_converter_gets_graphs_without_a_loop_where_it_asks_for_them(model):
    context = tf.constant(contexts(1))
    functions = Signatures(model, TIME, batch_size=1).concrete(loops=False)
    assert set(functions) == {"prime", "step"}
    received = functions["prime"](context=context)
    expected = Signatures(model, TIME).concrete()["prime"](context=context)
    for name, value in expected.items():
        np.testing.assert_allclose(received[name], value, atol=1e-6)
    for function in functions.values():
        kinds = {operation.type for operation in function.graph.get_operations()}
        assert not kinds & {"While", "StatelessWhile"}


def test_a_graph_without_a_loop_needs_the_number_of_context_frames(model):
    with pytest.raises(ValueError, match=r"fixed number of context frames.*--context_frames"):
        Signatures(model, None).concrete(loops=False)


def test_another_backend_is_told_to_export_with_tensorflow(model, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"Received: KERAS_BACKEND=jax.*KERAS_BACKEND=tensorflow"):
        Signatures(model, TIME).served()
