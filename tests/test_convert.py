"""The conversion of PyTorch's weights: which files it reads, and what it refuses."""

import numpy as np
import pytest
import test_author
from test_openstl import IMAGE_SHAPE, state_dict

from iprnn_tf.models import load_model
from trainers import convert
from trainers.configuration.architecture import architecture


def test_a_file_of_arrays_becomes_a_model(tmp_path, capsys):
    np.savez(tmp_path / "weights.npz", **state_dict("predrnn_pp"))
    output = tmp_path / "model.keras"
    flags = [f"--weights={tmp_path / 'weights.npz'}", "--height=8", "--width=12"]
    convert.main([*flags, f"--output={output}"])
    assert "3 x CausalLSTMCell(4) on patches of 2 x 2" in capsys.readouterr().out
    assert load_model(output).image_shape == IMAGE_SHAPE


def test_names_tell_whose_layout_a_file_has(tmp_path, capsys):
    state = test_author.state_dict()
    np.savez(tmp_path / "weights.npz", **{f"model.{name}": state[name] for name in state})
    output = tmp_path / "model.keras"
    flags = [f"--weights={tmp_path / 'weights.npz'}", "--height=8", "--width=12", "--channels=3"]
    convert.main([*flags, f"--output={output}"])
    said = capsys.readouterr().out
    assert "IPRNN, 2 x STGRUCell(4) on frames whose sides are divided by 4: " in said
    model = load_model(output)
    np.testing.assert_allclose(
        test_author.predicted(model),
        test_author.Original(state)(test_author.contexts(), test_author.HORIZON),
        atol=1e-4,
    )
    # Training it further takes that over; else all would shift by a pixel at each scale.
    assert architecture(model)["pytorch_padding"]
    np.savez(tmp_path / "weights.npz", other=np.zeros(1))
    with pytest.raises(ValueError, match=r"conv_x.*OpenSTL.*conv_t.*author\. Received: other"):
        convert.main([*flags, f"--output={output}"])


@pytest.mark.parametrize(
    ("weights", "output", "message"),
    [
        ("", "model.keras", "Give both"),
        ("weights.npz", "model.h5", r"is a \.keras file.*Give .*model\.keras"),
        ("weights.bin", "model.keras", r"ends with \.npz, \.pth, \.pt, \.ckpt\. Received"),
        ("missing.npz", "model.keras", "which is not there"),
        ("broken.npz", "model.keras", r"can't be read.*numpy\.savez"),
    ],
)
def test_what_cannot_be_converted_is_refused(tmp_path, weights, output, message):
    for name in ("weights.npz", "weights.bin", "broken.npz"):
        (tmp_path / name).write_bytes(b"no weights")
    with pytest.raises(ValueError, match=message):
        convert.main(
            [f"--weights={weights and tmp_path / weights}", f"--output={tmp_path / output}"]
        )
    assert not (tmp_path / output).exists()


def test_files_of_pytorch_are_read_whatever_is_around_the_weights(tmp_path):
    torch = pytest.importorskip("torch")
    state = {name: torch.tensor(array) for name, array in state_dict("conv_lstm").items()}
    contents = {
        "a.pth": state,
        "b.ckpt": {"state_dict": state},
        "c.ckpt-80000": {"net_param": state},
    }
    for name, content in contents.items():
        torch.save(content, tmp_path / name)
        flags = [f"--weights={tmp_path / name}", "--height=8", "--width=12"]
        convert.main([*flags, f"--output={tmp_path / 'model.keras'}"])
        assert load_model(tmp_path / "model.keras").patch_size == 2
