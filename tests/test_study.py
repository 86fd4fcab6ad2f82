"""The study of recipes: its arithmetic, and that finished runs are not repeated."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from trainers import study
from trainers.configuration.study_arms import STUDIES

PEAKS = ["--config=paper", "--seeds=1", "--only=peak learning rate"]


def run(question, answer, seed, mse, seconds=10.0):
    config = {"seed": seed}
    return {
        "question": question,
        "answer": answer,
        "mse": mse,
        "seconds": seconds,
        "config": config,
    }


def test_differences_are_taken_seed_by_seed():
    runs = [
        run("baseline", "none of the below", 0, 100.0),
        run("loss", "other", 0, 98.0),
        run("baseline", "none of the below", 1, 110.0),
        run("loss", "other", 1, 104.0),
        run("output", "sigmoid", 0, 170.0),
    ]
    _, baseline, loss, output = study.table(runs).splitlines()
    assert "105.0" in baseline
    assert "+0.0 ± 0.0" in baseline
    assert "101.0" in loss
    assert "-4.0 ± 2.0" in loss
    assert "170.0" in output
    assert "+70.0" in output


@pytest.fixture(name="trained")
def _trained(monkeypatch):
    """The runs that a study trains, without training them."""
    trained = []

    def train(config, validation_sequences):
        trained.append(config.seed)
        return {"mse": 90.0, "seconds": 1.0}

    monkeypatch.setattr(study, "_train", train)
    monkeypatch.setattr(study, "fastest_precision", lambda: "float32")
    return trained


def test_finished_runs_are_not_repeated(trained, tmp_path, capsys):
    flags = [f"--output={tmp_path / 'study.json'}", "--only=optimizer"]
    study.main([*flags, "--seeds=1"])
    assert len(trained) == 3
    study.main([*flags, "--seeds=2"])
    assert trained == [0, 0, 0, 1, 1, 1]
    study.main([*flags, "--seeds=2", "--sequences=80"])
    assert len(trained) == 12
    study.main([*flags, "--seeds=1", "--validation_sequences=50"])
    assert len(trained) == 15
    assert len(json.loads((tmp_path / "study.json").read_text())["runs"]) == 15
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[-2] == f"Results: {tmp_path / 'study.json'}"
    assert [line.split()[0] for line in lines[-6:-3]] == ["baseline", "optimizer", "optimizer"]


def test_runs_of_a_version_with_fewer_settings_are_not_repeated(trained, tmp_path):
    path = tmp_path / "study.json"
    flags = [f"--output={path}", "--seeds=1", "--only=optimizer"]
    study.main(flags)
    content = json.loads(path.read_text())
    for finished in content["runs"]:
        del finished["config"]["data_dir"]
        finished["config"]["steps_per_epoch"] = 123
    path.write_text(json.dumps(content))
    study.main(flags)
    assert len(trained) == 3


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("recipe.json", ["--seeds=3"]),
        ("recipe_operations.json", ["--seeds=1"]),
        ("recipe_paper.json", ["--config=paper", "--sequences=4800", "--seeds=2"]),
        ("recipe_paper.json", [*PEAKS, "--sequences=2400"]),
        ("recipe_paper.json", [*PEAKS, "--sequences=19200"]),
        ("recipe_paper.json", [*PEAKS, "--sequences=2400", "--filters=64"]),
    ],
)
def test_the_published_studies_are_gone_on_with(trained, tmp_path, name, flags):
    path = shutil.copy(Path(__file__).parent.parent / "docs" / name, tmp_path)
    if "--config=paper" not in flags:  # Each page has some of the questions.
        questions = {run["question"] for run in json.loads(Path(path).read_text())["runs"]}
        flags = [*flags, f"--only={','.join(questions)}"]
    study.main([f"--output={path}", *flags])
    assert trained == []


def test_a_file_that_is_no_study_is_refused_and_spared(trained, tmp_path):
    path = tmp_path / "study.json"
    path.write_text('{"runs": [1]}')
    with pytest.raises(ValueError, match="--output is a file of this program, or new"):
        study.main([f"--output={path}"])
    assert path.read_text() == '{"runs": [1]}'


@pytest.mark.parametrize("name", STUDIES)
def test_every_arm_trains_with_as_many_operations_and_differs_from_the_baseline(name):
    base, arms = STUDIES[name]
    configs = [study._config(arm, base, 16, 2400, 0, "bfloat16") for arm in arms]
    operations = [study._operations(x) * x.steps for x in configs]
    assert operations == pytest.approx([operations[0]] * len(arms), rel=0.002)
    assert configs[0].steps * configs[0].batch_size == 2400
    baseline, *others = zip(arms, configs, strict=True)
    for arm, config in others:
        assert config != baseline[1], arm


@pytest.mark.parametrize(("filters", "encoder_filters"), [(16, [8, 16]), (8, [4, 8]), (1, [1, 1])])
def test_the_encoders_follow_the_width_of_the_memories(trained, tmp_path, filters, encoder_filters):
    path = tmp_path / "study.json"
    study.main([f"--output={path}", "--seeds=1", "--only=baseline", f"--filters={filters}"])
    [config] = [run["config"] for run in json.loads(path.read_text())["runs"]]
    assert (config["filters"], config["encoder_filters"]) == (filters, encoder_filters)


@pytest.mark.slow
def test_an_arm_is_really_trained(tmp_path, monkeypatch):
    small = STUDIES["small"].base
    tiny = {"kernel_size": 1, "num_layers": 1, "context_frames": 2, "horizon": 2}
    tiny_study = STUDIES["small"]._replace(base=dataclasses.replace(small, **tiny))
    monkeypatch.setitem(STUDIES, "small", tiny_study)
    output = tmp_path / "study.json"
    flags = ["--only=output", "--sequences=80", "--seeds=1", "--validation_sequences=2"]
    study.main([f"--output={output}", *flags])
    baseline, sigmoid = json.loads(output.read_text())["runs"]
    assert sigmoid["answer"] == "sigmoid"
    assert 0 < sigmoid["mse"] < 4096
    assert sigmoid["mse"] != baseline["mse"]


def test_an_unknown_question_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"--only takes questions of this study: .*loss"):
        study.main([f"--output={tmp_path / 'study.json'}", "--only=weather"])
