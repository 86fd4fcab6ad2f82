"""From a run directory to a preset, and on from it."""

import json
import shutil
import zipfile

import numpy as np
import pytest
from absl import flags

from iprnn_tf import IPRNN
from iprnn_tf.models import load_model
from iprnn_tf.presets import METADATA
from trainers import evaluate, release, train
from trainers.configuration.recipes import resolve
from trainers.configuration.settings import define_flags
from trainers.configuration.training_config import TrainingConfig
from trainers.fitting.fine_tuning import start_from


@pytest.fixture(scope="module", name="preset")
def _preset(tiny_run, tmp_path_factory):
    output = tmp_path_factory.mktemp("presets") / "tiny"
    flags = ["--protocols=canonical", "--sequences=200", "--zip"]
    release.main([f"--model={tiny_run}", f"--output={output}", *flags])
    return output


def test_a_released_run_says_where_it_comes_from_and_what_it_reaches(preset, tiny_run):
    metadata = json.loads((preset / METADATA).read_text())
    assert metadata["name"] == "tiny"
    assert metadata["weights"] == load_model(tiny_run).count_params()
    assert metadata["training"]["config"]["filters"] == 4
    assert metadata["training"]["sequences"] == 16
    assert metadata["training"]["seconds"] > 0
    assert {"cpu_cores", "commit", "versions"} <= set(metadata["training"])
    [result] = metadata["results"]
    assert result["protocol"] == "canonical"
    assert result["sequences"] == 200  # As tiny_run's own test.
    assert result["command"].endswith("--protocol=canonical --sequences=200")
    measured = json.loads((tiny_run / "metrics.json").read_text())["results"]
    assert set(result["results"]) == {"IPRNN", "CopyLastFrame", "BlackFrames"}
    assert result["results"]["IPRNN"]["mse"]["mean"] == pytest.approx(
        measured["IPRNN"]["mse"]["mean"], rel=1e-3
    )
    assert metadata["check"]["sequences"] == 100


@pytest.mark.slow
def test_a_preset_is_loaded_measured_and_trained_further(preset, tiny_flags, tmp_path, capsys):
    loaded = IPRNN.from_preset(preset.with_suffix(".zip"))
    assert loaded.horizon == 3
    output = tmp_path / "evaluation.json"
    evaluate.main([f"--model={preset}", "--split=validation", f"--output={output}"])
    measured = json.loads(output.read_text())
    assert measured["context_frames"] == 3  # As in training.

    tuned, copy = tmp_path / "tuned", shutil.copytree(preset, tmp_path / "copy")
    flags = [f"--init_from={copy}", "--steps=1", "--learning_rate=1e-9", f"--output={tuned}"]
    train.main([*tiny_flags, "--mixed_precision=bfloat16", *flags])
    shutil.rmtree(copy)
    train.main([f"--resume={tuned}"])  # Which needs its own state alone.
    for before, after in zip(loaded.get_weights(), load_model(tuned).get_weights(), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-6)


def test_pretrained_weights_of_another_architecture_are_refused(preset, tiny_flags, tmp_path):
    flags = [f"--init_from={preset}", "--filters=5", "--noskips", f"--output={tmp_path / 'run'}"]
    with pytest.raises(ValueError, match=r"where skips is True, .*filters is 4\. Leave these"):
        train.main([*tiny_flags, *flags])
    assert not (tmp_path / "run").exists()


def test_the_size_is_that_of_the_pretrained_model_unless_given(preset):
    config = resolved(f"--init_from={preset}", "--learning_rate=0.1", "--mixed_precision=float32")
    assert (config.filters, config.num_layers, config.kernel_size) == (4, 1, 3)
    assert (config.learning_rate, config.channels) == (0.1, 0)
    video = resolved(f"--init_from={preset}", "--dataset=video")
    assert video.channels == 1  # Of digits, so that colours become grey.
    start_from(str(preset), config.build_model())


@pytest.mark.slow
def test_fine_tuning_that_makes_a_model_worse_keeps_it_as_it_was(
    tiny_run, tiny_flags, tmp_path, capsys
):
    tuned = tmp_path / "tuned"
    worse = ["--learning_rate=3", "--warmup_steps=0", "--ema_momentum=0.1", "--steps=1"]
    worse += ["--test_sequences=4"]
    train.main([*tiny_flags, *worse, f"--init_from={tiny_run}", f"--output={tuned}"])
    output = capsys.readouterr().out
    assert "No validation was better than that of the pretrained model" in output
    assert json.loads((tuned / "metrics.json").read_text())["training"]["best_step"] == 0
    lines = [line for line in output.splitlines() if "MSE" in line]
    before, after = (float(line.rpartition(" ")[2]) for line in lines)
    assert [line.partition(":")[0] for line in lines] == ["step 0, as pretrained", "step 1"]
    assert before < after
    for kept, start in zip(
        *(load_model(run).get_weights() for run in (tuned, tiny_run)), strict=True
    ):
        np.testing.assert_array_equal(kept, start)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--update_bias=1", r"where update_bias is 0\.0\."),
        ("--normalization=standard", r"where normalization is none\."),
        ("--use_bias", r"where use_bias is False\."),
    ],
)
def test_what_owns_no_weights_counts_too(preset, tiny_flags, tmp_path, flag, message):
    flags = [f"--init_from={preset}", flag, f"--output={tmp_path / 'run'}"]
    with pytest.raises(ValueError, match=message):
        train.main([*tiny_flags, *flags])


def test_a_run_of_every_normalisation_is_gone_on_from(tiny_flags, tmp_path):
    settings = [flag for flag in tiny_flags if not flag.startswith("--config")]
    for name in ("standard", "group", "author"):
        config = resolved(*settings, f"--normalization={name}")
        config.build_model().save(tmp_path / f"{name}.keras")
        start_from(str(tmp_path / f"{name}.keras"), config.build_model())


def resolved(*arguments):
    values = flags.FlagValues()
    define_flags(TrainingConfig, values)
    values(["", *arguments])
    return resolve("small", values)


def test_an_unknown_start_is_refused(tiny_flags, tmp_path):
    flags = ["--init_from=iprnn_imagenet", f"--output={tmp_path / 'run'}"]
    with pytest.raises(ValueError, match="iprnn_small_moving_mnist"):
        train.main([*tiny_flags, *flags])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("arguments", [[], ["--model=runs/x"], ["--output=x"]])
def test_model_and_output_are_needed(arguments):
    with pytest.raises(ValueError, match=r"A release takes --model .* and --output"):
        release.main(arguments)


def test_a_protocol_that_is_none_is_refused_before_anything_is_written(tiny_run, tmp_path):
    output = tmp_path / "preset"
    with pytest.raises(ValueError, match="--protocol: One of canonical, svg"):
        release.main([f"--model={tiny_run}", f"--output={output}", "--protocols=pong"])
    assert not output.exists()


def test_an_output_that_holds_something_else_is_spared(tiny_run):
    before = (tiny_run / "config.json").read_bytes()
    with pytest.raises(ValueError, match="which holds something else"):
        release.main([f"--model={tiny_run}", f"--output={tiny_run}"])
    assert (tiny_run / "config.json").read_bytes() == before


@pytest.mark.parametrize("kind", ["photos", "no zip", "folder"])
def test_a_zip_file_of_something_else_is_spared(tiny_run, tmp_path, kind):
    file = tmp_path / "preset.zip"
    if kind == "folder":
        file.mkdir()
    elif kind == "photos":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("photo.png", "")
    else:
        file.write_text("mine")
    arguments = [f"--model={tiny_run}", f"--output={tmp_path / 'preset'}", "--zip"]
    with pytest.raises(ValueError, match=rf"Received: {file}, which is something else"):
        release.main(arguments)
    assert list(tmp_path.iterdir()) == [file]


def test_the_zip_file_of_a_preset_may_be_replaced(preset, tiny_run):
    arguments = [f"--model={tiny_run}", f"--output={preset}", "--zip", "--protocols=pong"]
    with pytest.raises(ValueError, match="--protocol: One of canonical"):  # Which comes later.
        release.main(arguments)


def test_a_run_that_is_not_finished_is_not_released(tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    (run / "metrics.json").unlink()
    with pytest.raises(ValueError, match=rf"Finish it: .*--resume={run}"):
        release.main([f"--model={run}", f"--output={tmp_path / 'preset'}"])
