import numpy as np
import pytest
from PIL import Image

from iprnn_tf import visualization
from iprnn_tf.visualization import (
    animation,
    error_curve,
    filmstrip,
    filmstrips,
    save_gif,
    save_png,
)

HEIGHT, WIDTH = 6, 9
SEEN, HORIZON = 3, 2
VERMILION = (213, 94, 0)


def frames(*levels, channels=1):
    """Frames of one grey level each, so that a frame can be found in a picture."""
    shape = (HEIGHT, WIDTH, channels)
    return np.stack([np.full(shape, level / 255, "float32") for level in levels])


CONTEXT = frames(10, 20, 30)
TARGETS = frames(40, 50)
PREDICTIONS = frames(60, 70)


def grey(picture):
    assert (picture == picture[..., :1]).all()
    return picture[..., 0]


def middles(row):
    """The levels of a strip from left to right, white gaps left out."""
    levels = [int(level) for level in row if level != 255]
    return levels[::WIDTH]


def batch(sequence, size=2):
    return np.stack([sequence] * size)


def test_a_filmstrip_has_predictions_under_the_frames_they_predict():
    picture = grey(filmstrip(CONTEXT, TARGETS, PREDICTIONS))
    above, below = picture[HEIGHT // 2], picture[-HEIGHT // 2]
    assert middles(above) == [10, 20, 30, 40, 50]
    assert middles(below) == [60, 70]
    np.testing.assert_array_equal(below == 60, above == 40)
    np.testing.assert_array_equal(below == 70, above == 50)


def test_a_filmstrip_is_empty_below_the_context():
    picture = grey(filmstrip(CONTEXT, TARGETS, PREDICTIONS))
    below = picture[-HEIGHT:]
    assert (below[:, : SEEN * WIDTH] == 255).all()
    assert (below == 60).sum() == HEIGHT * WIDTH


@pytest.mark.parametrize("targets", [TARGETS, None], ids=["targets", "no targets"])
def test_the_gap_before_the_future_is_wider_than_between_frames(targets):
    row = grey(filmstrip(CONTEXT, targets, PREDICTIONS))[0]
    future = (60, 70) if targets is None else (40, 50)
    starts = [int(np.argmax(row == level)) for level in (10, 20, 30, *future)]
    gaps = np.diff(starts) - WIDTH
    assert gaps[0] == gaps[1] == gaps[3] > 0
    assert gaps[2] > 2 * gaps[0]


def test_a_filmstrip_without_targets_is_one_row():
    picture = grey(filmstrip(CONTEXT, None, PREDICTIONS))
    assert picture.shape[0] == HEIGHT
    assert middles(picture[0]) == [10, 20, 30, 60, 70]


def test_colours_and_uint8_frames_are_drawn_as_they_are():
    context, targets, predictions = (
        np.random.default_rng(seed).integers(0, 256, (2, HEIGHT, WIDTH, 3), "uint8")
        for seed in range(3)
    )
    picture = filmstrip(context, targets, predictions)
    np.testing.assert_array_equal(picture[:HEIGHT, :WIDTH], context[0])
    np.testing.assert_array_equal(picture[:HEIGHT, -WIDTH:], targets[1])
    np.testing.assert_array_equal(picture[-HEIGHT:, -WIDTH:], predictions[1])


def test_predictions_out_of_range_saturate_and_nan_is_black():
    wild = frames(0, 0, 0)
    wild[0], wild[1], wild[2] = -3.0, 7.0, np.nan
    picture = grey(filmstrip(CONTEXT, None, wild))
    assert picture[0, -3 * WIDTH - 4] == 0
    assert picture[0, -2 * WIDTH] == 255
    assert picture[0, -1] == 0


def test_filmstrips_stack_the_filmstrips_of_a_batch():
    single = filmstrip(CONTEXT, TARGETS, PREDICTIONS)
    other = filmstrip(CONTEXT / 2, TARGETS / 2, PREDICTIONS / 2)
    both = (np.stack([x, x / 2]) for x in (CONTEXT, TARGETS, PREDICTIONS))
    picture = filmstrips(*both)
    np.testing.assert_array_equal(picture[: single.shape[0]], single)
    np.testing.assert_array_equal(picture[-single.shape[0] :], other)
    assert picture.shape[0] > 2 * single.shape[0]


def test_filmstrips_need_no_targets():
    picture = filmstrips(batch(CONTEXT), None, batch(PREDICTIONS))
    assert HEIGHT * 2 < picture.shape[0] < HEIGHT * 4


def where(picture, level):
    """Top, bottom, left and right of the rectangle of one grey level."""
    rows, columns = np.nonzero((picture == level).all(axis=-1))
    assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def test_an_animation_shows_the_context_and_then_both_futures_side_by_side():
    pictures = animation(CONTEXT[None], TARGETS[None], PREDICTIONS[None], scale=3)
    assert len(pictures) == SEEN + HORIZON
    for time, level in enumerate([10, 20, 30]):
        assert (pictures[time] == level).all(-1).sum() == 2 * 9 * HEIGHT * WIDTH
    for k, (truth, prediction) in enumerate([(40, 60), (50, 70)], start=SEEN):
        top, bottom, left, right = where(pictures[k], truth)
        assert (bottom - top, right - left) == (3 * HEIGHT, 3 * WIDTH)
        beside = where(pictures[k], prediction)
        assert beside[:2] == (top, bottom)
        assert beside[2] > right


def test_only_predictions_of_the_future_have_a_coloured_border():
    pictures = animation(CONTEXT[None], TARGETS[None], PREDICTIONS[None])
    coloured = [(picture == VERMILION).all(-1) for picture in pictures]
    assert [bool(mask.any()) for mask in coloured] == [False] * SEEN + [True] * HORIZON
    for k, (truth, prediction) in enumerate([(40, 60), (50, 70)], start=SEEN):
        top, bottom, left, right = where(pictures[k], prediction)
        assert coloured[k][top - 1, left - 1 : right + 1].all()
        assert coloured[k][top - 1 : bottom + 1, right].all()
        top, bottom, left, right = where(pictures[k], truth)
        assert not coloured[k][top - 1, left - 1 : right + 1].any()


def test_an_animation_enlarges_without_smoothing():
    checkers = np.indices((HEIGHT, WIDTH)).sum(0)[None, None, ..., None] % 2 * np.float32(100 / 255)
    picture = animation(checkers, None, checkers, scale=4)[0]
    top, left = (np.nonzero((picture == 100).all(-1))[axis].min() for axis in (0, 1))
    expected = np.kron(checkers[0, 0, ..., 0] > 0, np.ones((4, 4)))
    actual = picture[top : top + 4 * HEIGHT, left : left + 4 * WIDTH, 0] == 100
    np.testing.assert_array_equal(actual, expected)


def test_five_sequences_make_a_grid_of_three_by_two():
    sequences = np.stack([frames(20 * i + 10) for i in range(5)])
    picture = animation(sequences, None, sequences, scale=1)[0]
    places = [where(picture, 20 * i + 10) for i in range(5)]
    tops, lefts = [place[0] for place in places], [place[2] for place in places]
    assert tops[0] == tops[1] == tops[2] < tops[3] == tops[4]
    assert lefts[0] == lefts[3] < lefts[1] == lefts[4] < lefts[2]


def test_wide_frames_are_labelled_and_narrow_ones_are_not():
    def header(scale):
        picture = animation(CONTEXT[None], TARGETS[None], PREDICTIONS[None], scale=scale)[-1]
        top = where(picture, 70)[0]
        return (picture[: top - 2] != 255).any()

    assert header(scale=16)
    assert not header(scale=2)


@pytest.mark.parametrize("draw", [filmstrips, animation])
def test_every_picture_of_an_animation_and_every_strip_is_uint8_rgb(draw):
    pictures = draw(batch(CONTEXT), batch(TARGETS), batch(PREDICTIONS))
    assert pictures.dtype == np.uint8
    assert pictures.shape[-1] == 3


@pytest.mark.parametrize(
    ("context", "targets", "predictions"),
    [
        (CONTEXT, TARGETS[:1], PREDICTIONS),
        (CONTEXT[:, 1:], TARGETS, PREDICTIONS),
        (CONTEXT[..., 0], TARGETS[..., 0], PREDICTIONS[..., 0]),
        (CONTEXT[:0], TARGETS, PREDICTIONS),
        (CONTEXT, None, PREDICTIONS[:0]),
        (CONTEXT, None, None),
        (np.repeat(CONTEXT, 2, -1), None, np.repeat(PREDICTIONS, 2, -1)),
        (CONTEXT.astype("int64"), TARGETS, PREDICTIONS),
    ],
    ids=["horizon", "height", "rank", "no context", "no future", "None", "channels", "dtype"],
)
def test_frames_that_do_not_fit_together_are_refused(context, targets, predictions):
    with pytest.raises(ValueError, match="Frames must be float or uint8 of shape"):
        filmstrip(context, targets, predictions)


def test_a_single_sequence_is_refused_where_a_batch_is_drawn():
    for draw in (filmstrips, animation):
        with pytest.raises(ValueError, match=r"shape \(B, T, H, W, C\)"):
            draw(CONTEXT, TARGETS, PREDICTIONS)


def test_a_scale_below_one_is_refused():
    with pytest.raises(ValueError, match="scale=0"):
        animation(CONTEXT[None], None, PREDICTIONS[None], scale=0)


def test_a_saved_gif_has_every_picture_and_their_pace(tmp_path):
    pictures = animation(CONTEXT[None], TARGETS[None], PREDICTIONS[None], scale=2)
    save_gif(tmp_path / "a.gif", pictures, frames_per_second=4)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == SEEN + HORIZON
        assert gif.info["loop"] == 0
        for time, picture in enumerate(pictures):
            gif.seek(time)
            assert gif.info["duration"] == 250
            error = np.asarray(gif.convert("RGB")).astype(int) - picture
            assert np.abs(error).max() <= 8  # A GIF has 256 colours.


def test_a_saved_png_is_the_picture(tmp_path):
    picture = filmstrip(CONTEXT, TARGETS, PREDICTIONS)
    save_png(str(tmp_path / "a.png"), picture)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), picture)


@pytest.mark.parametrize("save", [save_png, lambda path, picture: save_gif(path, [picture])])
def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, save):
    path = tmp_path / "picture"
    path.write_bytes(b"good")

    def half(self, target, *args, **kwargs):
        with open(target, "wb") as file:
            file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(visualization.Image.Image, "save", half)
    with pytest.raises(OSError, match="disk full"):
        save(path, filmstrip(CONTEXT, TARGETS, PREDICTIONS))
    assert [file.name for file in tmp_path.iterdir()] == ["picture"]
    assert path.read_bytes() == b"good"


def test_nothing_to_save_is_refused(tmp_path):
    with pytest.raises(ValueError, match="0 pictures"):
        save_gif(tmp_path / "a.gif", [])
    with pytest.raises(ValueError, match="at least one"):
        save_png(tmp_path / "a.png", np.zeros((0, 5, 3), "uint8"))
    with pytest.raises(ValueError, match="Pictures must be uint8"):
        save_png(tmp_path / "a.png", np.zeros((4, 5, 4), "uint8"))
    with pytest.raises(ValueError, match="float32"):
        save_png(tmp_path / "a.png", np.zeros((4, 5, 3), "float32"))
    with pytest.raises(ValueError, match="all of one shape"):
        save_gif(tmp_path / "a.gif", [np.zeros((4, side, 3), "uint8") for side in (5, 6)])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("pace", [0, -1, 60])
def test_a_pace_that_no_browser_shows_is_refused(tmp_path, pace):
    with pytest.raises(ValueError, match=f"frames_per_second={pace}"):
        save_gif(tmp_path / "a.gif", batch(PREDICTIONS)[..., [0, 0, 0]], frames_per_second=pace)


PLOT = np.s_[104:351, 72:617]


def heights(picture, colour):
    """The middle row of a colour in every column of the plot that has it."""
    mask = (np.abs(picture[PLOT].astype(int) - colour) < 24).all(-1)
    return [float(np.nonzero(column)[0].mean()) for column in mask.T if column.any()]


BLUE = (0, 114, 178)


def test_a_curve_that_rises_is_drawn_upwards_from_left_to_right():
    rows = heights(error_curve({"model": [1, 2, 3, 4, 5]}), BLUE)
    assert rows[0] > rows[-1] + 100
    np.testing.assert_allclose(np.diff(rows), np.mean(np.diff(rows)), atol=3)


def test_errors_are_drawn_to_scale_from_zero():
    rows = heights(error_curve({"model": [25, 50, 75, 100]}), BLUE)
    height = 350 - 104
    np.testing.assert_allclose(rows[0], 0.75 * height, atol=4)
    np.testing.assert_allclose(rows[-1], 0, atol=4)


def test_curves_far_from_zero_fill_the_plot():
    rows = heights(error_curve({"model": [0.98, 0.96, 0.94]}), BLUE)
    assert rows[-1] - rows[0] > 150


def test_two_curves_have_two_colours_and_may_differ_in_length():
    picture = error_curve({"model": [1, 2, 3, 4], "last frame": [5, 6]}, "title", "error")
    blue, vermilion = heights(picture, BLUE), heights(picture, VERMILION)
    assert len(blue) > 2 * len(vermilion) > 0
    assert min(blue) > max(vermilion)


def test_title_label_and_legend_are_drawn():
    plain = error_curve({"": [1.0, 2.0]})
    full = error_curve({"model": [1.0, 2.0]}, title="title", ylabel="error")
    assert plain.shape == full.shape == (400, 640, 3)
    for rows in (np.s_[10:36], np.s_[40:58], np.s_[76:92]):
        assert full[rows].sum() < plain[rows].sum()
    np.testing.assert_array_equal(full[110:], plain[110:])


@pytest.mark.parametrize(
    "values", [[0.0], [3.0], [1.0, 1.0], [-2.0, -1.0], [1e-7, 2e-7], [1e7] * 60]
)
def test_any_finite_curve_can_be_drawn(values):
    assert heights(error_curve({"model": values}), BLUE)


@pytest.mark.parametrize(
    "curves",
    [{}, {"a": []}, {"a": [1.0, np.nan]}, {"a": [[1.0]]}, {str(i): [1.0] for i in range(8)}],
    ids=["none", "empty", "nan", "rank", "too many"],
)
def test_curves_that_cannot_be_read_are_refused(curves):
    with pytest.raises(ValueError, match="Pass 1 to 7 curves"):
        error_curve(curves)
