"""The client, on a small model behind a double of TensorFlow Serving's protocol."""

import sys
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export import client
from export.client import Client
from export.inputs.frames import read_sequences
from export.transports.transport import ServedModel
from programs import command_line

pytest_plugins = ["served_model"]
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 3, 16, 24, 1), dtype=np.uint8)
CONTEXT = PIXELS.astype(np.float32) / 255.0


@pytest.fixture(name="expected")
def _expected(loaded):
    return loaded["forecast"](context=tf.constant(CONTEXT))["predictions"].numpy()


def test_a_forecast_is_what_the_loaded_model_gives_bit_for_bit(connect, expected):
    np.testing.assert_array_equal(connect().forecast(CONTEXT), expected)


def test_streaming_gives_the_same_frames_and_goes_on_beyond_them(connect, expected):
    frames = list(connect().stream(CONTEXT, horizon=5))
    assert len(frames) == 5
    np.testing.assert_allclose(np.stack(frames[:3], axis=1), expected, atol=1e-5)


def test_a_live_stream_takes_true_frames(connect, loaded):
    one = connect()
    frame, states = one.prime(CONTEXT)
    truth = 1.0 - CONTEXT[:, 0]
    given = {f"state_{i}": tf.constant(state) for i, state in enumerate(states)}
    wanted = loaded["step"](frame=tf.constant(truth), **given)["next_frame"]
    after_truth, after_states = one.step(truth, states)
    np.testing.assert_allclose(after_truth, wanted, atol=1e-6)
    assert not np.allclose(after_truth, one.step(frame, states)[0])
    assert [state.shape for state in after_states] == [state.shape for state in states]


def test_images_travel_as_files_and_cost_eight_bits(connect, expected):
    predictions = connect().forecast_images(CONTEXT)
    np.testing.assert_allclose(predictions, np.clip(expected, 0, 1), atol=0.5 / 255 + 1e-6)


def test_a_model_is_found_by_version_and_by_label(connect, expected):
    for model in (ServedModel(version=1), ServedModel(label="stable")):
        np.testing.assert_array_equal(connect(model).forecast(CONTEXT), expected)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (ServedModel("other/name"), r"other/name \(the latest version\) at 127.0.0.1"),
        (ServedModel(version=7), r"iprnn \(version 7\) at .*Specific\(iprnn, 7\)"),
        (ServedModel(label="blue"), "label: blue. Check --model_name, --version and --label"),
    ],
)
def test_a_missing_model_is_named(connect, model, message):
    with pytest.raises(ValueError, match=message):
        connect(model).forecast(CONTEXT)


def test_what_does_not_fit_is_refused_before_it_is_sent(served, connect):
    before = served.requests
    one = connect()
    for frames, message in {
        (1, 3, 32, 32, 1): "3 frames of 16 x 24 x 1.*3 frames of 32 x 32 x 1",
        (1, 4, 16, 24, 1): r"Received: \(1, 4, 16, 24, 1\): 4 frames",
        (3, 16, 24, 1): "Received:",
    }.items():
        for ask in (one.forecast, one.forecast_images, one.prime):
            with pytest.raises(ValueError, match=message):
                ask(np.zeros(frames, np.float32))
    with pytest.raises(ValueError, match=r"16 x 24 x 1.*24 x 16 x 1"):
        one.step(np.zeros((1, 24, 16, 1)), [])
    with pytest.raises(ValueError, match="Divide bytes by 255"):
        one.forecast(PIXELS)
    assert served.requests == before


def test_what_the_server_refuses_is_said_in_its_words(connect):
    one = connect()
    frame, states = one.prime(CONTEXT)
    with pytest.raises(ValueError, match=r"INVALID_ARGUMENT.*`state_0` must fit"):
        one.step(frame, [state[:1] for state in states])


def test_another_models_signatures_are_answered_with_a_way_out():
    stranger = SimpleNamespace(signatures=lambda: {"classify": None})
    with pytest.raises(ValueError, match=r"`forecast`. Received: classify.*export.saved_model"):
        Client(stranger).forecast(CONTEXT)


def _animation(path, pixels):
    first, *others = [Image.fromarray(frame[..., 0]) for frame in pixels]
    first.save(path, save_all=True, append_images=others)
    return path


def _run(served, tmp_path, *flags, output="predictions.npy"):
    client.main([f"--server={served.grpc}", f"--output={tmp_path / output}", *flags])
    return tmp_path / output


def test_a_gif_is_continued(served, expected, tmp_path, capsys):
    clip = _animation(tmp_path / "clip.gif", PIXELS[0])
    output = _run(served, tmp_path, f"--input={clip}")
    np.testing.assert_array_equal(np.load(output), expected[:1])
    assert f"\nResults: {output}\n" in capsys.readouterr().out


def test_of_a_longer_clip_the_last_frames_are_the_context(served, expected, tmp_path, capsys):
    clip = _animation(tmp_path / "clip.gif", np.concatenate([PIXELS[1], PIXELS[0]]))
    output = _run(served, tmp_path, f"--input={clip}")
    np.testing.assert_array_equal(np.load(output), expected[:1])
    assert "3 frames predicted after the last 3 of 6, sequences: 1" in capsys.readouterr().out


def test_a_folder_of_pictures_with_names_of_any_script_is_continued(served, expected, tmp_path):
    folder = tmp_path / "クリップ é"
    folder.mkdir()
    for frame, name in zip(PIXELS[0], ("кадр 2", "кадр 10", "кадр 11"), strict=True):
        Image.fromarray(frame[..., 0]).save(folder / f"{name}.png")
    output = _run(served, tmp_path, f"--input={folder}", "--images", output="ü.npy")
    np.testing.assert_allclose(np.load(output), np.clip(expected[:1], 0, 1), atol=0.003)


def test_other_formats_are_continued_too(served, expected, tmp_path):
    with h5py.File(tmp_path / "clip.h5", "w") as file:
        file["frames"] = CONTEXT[0]
    output = _run(served, tmp_path, f"--input={tmp_path / 'clip.h5'}")
    np.testing.assert_array_equal(np.load(output), expected[:1])


def test_many_sequences_are_asked_for_in_several_requests(served, expected, tmp_path):
    np.save(tmp_path / "array.npy", PIXELS)
    before = served.requests
    output = _run(served, tmp_path, f"--input={tmp_path / 'array.npy'}", "--batch_size=2")
    assert served.requests == before + 3
    np.testing.assert_allclose(np.load(output), expected, atol=1e-6)


def test_the_program_speaks_rest(served, expected, tmp_path):
    np.save(tmp_path / "array.npy", CONTEXT)
    flags = [f"--input={tmp_path / 'array.npy'}", "--rest", f"--server=http://{served.rest}/"]
    output = _run(served, tmp_path, *flags)
    np.testing.assert_array_equal(np.load(output), expected)


def test_a_stream_is_as_long_as_asked_and_timed(served, expected, tmp_path, capsys):
    np.save(tmp_path / "array.npy", PIXELS)
    flags = ["--stream", "--horizon=4", "--batch_size=3", "--label=stable"]
    output = _run(served, tmp_path, f"--input={tmp_path / 'array.npy'}", *flags)
    predictions = np.load(output)
    assert predictions.shape == (5, 4, 16, 24, 1)
    np.testing.assert_allclose(predictions[:, :3], expected, atol=1e-5)
    assert "frames/second" in capsys.readouterr().out


@pytest.mark.parametrize("output", ["prediction.gif", "prediction.mp4"])
def test_an_animation_holds_context_and_predictions(served, tmp_path, output):
    clip = _animation(tmp_path / "clip.gif", PIXELS[0])
    written = _run(served, tmp_path, f"--input={clip}", output=output)
    assert read_sequences(written, channels=3).shape[:2] == (1, 3 + 3)


def test_a_picture_is_a_filmstrip(served, tmp_path):
    clip = _animation(tmp_path / "clip.gif", PIXELS[0])
    with Image.open(_run(served, tmp_path, f"--input={clip}", output="strip.png")) as strip:
        assert strip.size == (6 * 24 + 4 * 2 + 10, 16)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--input="], "--input is needed"),
        (["--output="], "--output is needed"),
        (["--input=nowhere.gif"], "must be there. Received: nowhere.gif"),
        (["--output=prediction.avi"], r"ends in one of .gif.*Received: prediction.avi"),
        (["--horizon=20"], "Add --stream"),
        (["--stream", "--images"], "Leave one out"),
        (["--version=1", "--label=stable"], "--version or --label. Received: both"),
        (["--server=http://localhost:8500"], "host:port"),
        (["--server=localhost"], "host:port. Received: localhost"),
        (["--rest", "--server=file:///etc/passwd"], "https://"),
        (["--rest", "--server=localhost:850l"], "host:port, http.*Received: localhost:850l"),
        (["--rest", "--server=http://"], "host:port, http"),
        (["--rest", "--server=local host:8501"], "host:port, http"),
        (["--input=clip.npy", "--output=./clip.npy"], "another file than --input.*clip.npy"),
        (["--batch_size=0"], "batch_size"),
        (["--timeout=0"], "timeout"),
    ],
)
def test_a_wrong_flag_is_answered_with_its_rule(tmp_path, flags, message):
    clip = _animation(tmp_path / "clip.gif", PIXELS[0])
    with pytest.raises(ValueError, match=message):
        client.main([f"--input={clip}", "--output=prediction.gif", *flags])


def test_what_cannot_be_drawn_is_said_before_anything_is_asked(tmp_path, monkeypatch):
    shapes = SimpleNamespace(inputs={"context": (None, 3, 16, 24, 2)})
    transport = SimpleNamespace(signatures=lambda: {"forecast": shapes}, close=lambda: None)
    monkeypatch.setattr(client, "_transport", lambda values: transport)
    np.save(tmp_path / "array.npy", np.zeros((1, 3, 16, 24, 2), np.float32))
    flags = [f"--input={tmp_path / 'array.npy'}", f"--output={tmp_path / 'p.gif'}"]
    with pytest.raises(ValueError, match=r"1 or 3 channels.*a model of 2"):
        client.main(flags)
    monkeypatch.setattr(client, "_forecast", lambda one, context, values: context)
    client.main([flags[0], f"--output={tmp_path / 'p.npy'}"])
    assert np.load(tmp_path / "p.npy").shape == (1, 3, 16, 24, 2)


def test_a_clip_that_is_too_short_or_of_another_size_is_said_to_be_so(served, tmp_path):
    short = _animation(tmp_path / "short.gif", PIXELS[0, :2])
    with pytest.raises(ValueError, match=r"needs 3 frames to start from. Received: 2"):
        _run(served, tmp_path, f"--input={short}")
    turned = _animation(tmp_path / "turned.gif", PIXELS[0].swapaxes(1, 2))
    with pytest.raises(ValueError, match=r"16 x 24 x 1.*Received: .*24 x 16 x 1"):
        _run(served, tmp_path, f"--input={turned}")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("mistake", "status"), [("input", 2), ("server", 1)])
def test_the_program_ends_with_one_line_and_a_status(
    served, nobody, tmp_path, monkeypatch, capsys, mistake, status
):
    clip = _animation(tmp_path / "clip.gif", PIXELS[0])
    source = clip if mistake == "server" else tmp_path / "nowhere.gif"
    server = nobody if mistake == "server" else served.grpc
    flags = [f"--server={server}", f"--input={source}", f"--output={tmp_path / 'x.npy'}"]
    monkeypatch.setattr(sys, "argv", ["client", *flags])
    with pytest.raises(SystemExit) as ended:
        command_line.run(client.main)
    assert ended.value.code == status
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")


def test_without_the_stubs_of_the_server_there_is_rest(served, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "export.transports.grpc", None)
    clip = _animation(tmp_path / "clip.gif", PIXELS[0])
    with pytest.raises(ValueError, match=r"tensorflow-serving-api.*give --rest"):
        _run(served, tmp_path, f"--input={clip}")
    assert _run(served, tmp_path, f"--input={clip}", "--rest", f"--server={served.rest}").exists()
