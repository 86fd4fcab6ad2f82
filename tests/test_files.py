import errno
import os

import pytest

from iprnn_tf.files import new_folder, replacing


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(path, text):
    with replacing(path) as temporary:
        temporary.write_text(text)


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("old")
    return path


def test_a_new_file_is_written_and_its_folder_made(tmp_path):
    path = tmp_path / "run" / "results.json"
    write(path, "new")
    assert path.read_text() == "new"
    assert names(path.parent) == ["results.json"]


def test_a_name_may_be_a_string(tmp_path):
    write(str(tmp_path / "results.json"), "new")
    assert (tmp_path / "results.json").read_text() == "new"


def test_an_old_file_is_replaced(old):
    write(old, "new")
    assert old.read_text() == "new"
    assert names(old.parent) == ["results.json"]


def test_the_old_file_is_there_until_the_end(old):
    with replacing(old) as temporary:
        temporary.write_text("half of the ne")
        assert old.read_text() == "old"


def test_what_is_written_to_lies_beside_the_file_and_ends_like_it(tmp_path):
    with replacing(tmp_path / "model.keras") as temporary:
        temporary.touch()
        assert temporary.parent == tmp_path
        assert temporary.name != "model.keras"
        assert temporary.suffix == ".keras"


def fail_while_writing(path):
    with replacing(path) as temporary:
        temporary.write_text("half of the ne")
        raise KeyboardInterrupt


def test_the_old_file_survives_a_write_that_is_interrupted(old):
    with pytest.raises(KeyboardInterrupt):
        fail_while_writing(old)
    assert old.read_text() == "old"
    assert names(old.parent) == ["results.json"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_the_old_file_survives_a_full_disk(old, monkeypatch, call):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        write(old, "new")
    assert old.read_text() == "old"
    assert names(old.parent) == ["results.json"]


def test_what_was_written_is_on_the_disk_before_it_takes_the_place_of_the_old(old, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "fsync", lambda file: calls.append("fsync"))
    monkeypatch.setattr(os, "replace", lambda source, target: calls.append("replace"))
    write(old, "new")
    assert calls == ["fsync", "replace"]


def test_writing_nothing_is_an_error_and_leaves_the_old_file(old):
    with pytest.raises(FileNotFoundError), replacing(old):
        pass
    assert old.read_text() == "old"


def fill(path, *names):
    with new_folder(path) as temporary:
        for name in names:
            (temporary / name).parent.mkdir(exist_ok=True)
            (temporary / name).write_text(name)
            assert not path.exists()


def test_a_folder_appears_when_it_is_full(tmp_path):
    fill(tmp_path / "states" / "1", "a", "deep/b")
    assert names(tmp_path / "states") == ["1"]
    assert (tmp_path / "states" / "1" / "deep" / "b").read_text() == "deep/b"


def test_a_folder_that_a_kill_left_is_written_over(tmp_path):
    (tmp_path / ".unfinished.1").mkdir()
    (tmp_path / ".unfinished.1" / "old").touch()
    fill(tmp_path / "1", "a")
    assert names(tmp_path) == ["1"]
    assert names(tmp_path / "1") == ["a"]


def test_a_full_disk_leaves_no_half_of_a_folder(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        fill(tmp_path / "1", "a")
    assert names(tmp_path) == []


def test_a_folder_that_is_there_is_not_replaced(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "precious").touch()
    with pytest.raises(OSError, match="not empty"), new_folder(tmp_path / "1") as temporary:
        (temporary / "a").touch()
    assert names(tmp_path / "1") == ["precious"]
