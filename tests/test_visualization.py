"""Frames drawn side by side, over time, and as differences."""

import numpy as np
import pytest

from iprnn_tf.visualization import (
    Panel,
    animation,
    comparison,
    comparison_strip,
    difference_maps,
    filmstrip,
    filmstrips,
    side_by_side,
)

HEIGHT, WIDTH = 6, 9
SEEN, HORIZON = 3, 2
BLUE, VERMILION = (0, 114, 178), (213, 94, 0)
STEP = HEIGHT + 2  # From one row of a strip to the next.


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
    picture = filmstrip(CONTEXT, TARGETS, PREDICTIONS)
    above, below = (grey(picture[row]) for row in (HEIGHT // 2, STEP + HEIGHT // 2))
    assert middles(above) == [10, 20, 30, 40, 50]
    assert middles(below) == [60, 70]
    np.testing.assert_array_equal(below == 60, above == 40)
    np.testing.assert_array_equal(below == 70, above == 50)


def test_a_filmstrip_has_the_differences_under_the_predictions():
    picture = filmstrip(CONTEXT, TARGETS, PREDICTIONS)
    assert picture.shape[0] == 2 * STEP + HEIGHT
    below = picture[2 * STEP :, -2 * WIDTH - 2 :]
    maps = difference_maps(TARGETS, PREDICTIONS)
    np.testing.assert_array_equal(below[:, :WIDTH], maps[0])
    np.testing.assert_array_equal(below[:, -WIDTH:], maps[1])


def test_a_filmstrip_is_empty_below_the_context():
    picture = filmstrip(CONTEXT, TARGETS, PREDICTIONS)
    assert (picture[HEIGHT:, : SEEN * WIDTH] == 255).all()
    assert (picture == 60).all(-1).sum() == HEIGHT * WIDTH


def test_a_truth_that_is_not_known_is_middle_grey_and_so_is_its_difference():
    unknown = np.stack([TARGETS[0], np.full_like(TARGETS[1], np.nan)])
    picture = filmstrip(CONTEXT, unknown, PREDICTIONS)[:, -WIDTH:]
    for row, level in enumerate([128, 70, 128]):
        assert (picture[row * STEP :][:HEIGHT] == level).all()


@pytest.mark.parametrize("targets", [TARGETS, None], ids=["targets", "no targets"])
def test_the_gap_before_the_future_is_wider_than_between_frames(targets):
    row = grey(filmstrip(CONTEXT, targets, PREDICTIONS)[0])
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
    np.testing.assert_array_equal(picture[STEP:][:HEIGHT, -WIDTH:], predictions[1])


def test_predictions_out_of_range_saturate_and_nan_is_black():
    wild = frames(0, 0, 0)
    wild[0], wild[1], wild[2] = -3.0, 7.0, np.nan
    picture = grey(filmstrip(CONTEXT, None, wild))
    assert picture[0, -3 * WIDTH - 4] == 0
    assert picture[0, -2 * WIDTH] == 255
    assert picture[0, -1] == 0


def test_a_comparison_strip_has_a_row_for_each_model_under_the_truth():
    futures = {"one": PREDICTIONS, "other": frames(80, 90)}
    picture = comparison_strip(CONTEXT, TARGETS, futures)
    assert picture.shape[0] == 2 * STEP + HEIGHT
    rows = [middles(grey(picture[row * STEP + HEIGHT // 2])) for row in range(3)]
    assert rows == [[10, 20, 30, 40, 50], [60, 70], [80, 90]]
    with pytest.raises(ValueError, match="needs predictions by name"):
        comparison_strip(CONTEXT, TARGETS, {})


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


def test_a_comparison_shows_each_model_beside_the_truth():
    others = frames(80, 90)
    pictures = comparison(
        CONTEXT[None], TARGETS[None], {"a": PREDICTIONS[None], "b": others[None]}, scale=1
    )
    row = 10 + 2 + HEIGHT // 2
    columns = [10 + 2 + WIDTH // 2 + side * (WIDTH + 4 + 2) for side in range(3)]
    shown = [[int(picture[row, column, 0]) for column in columns] for picture in pictures]
    assert shown == [[10] * 3, [20] * 3, [30] * 3, [40, 60, 80], [50, 70, 90]]


def test_a_comparison_of_different_lengths_is_refused():
    with pytest.raises(ValueError, match=r"one length\. Received: .*b.*\. Cut them"):
        comparison(CONTEXT[None], None, {"a": TARGETS[None], "b": TARGETS[None, :1]})


def test_a_comparison_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"predictions by name. Received: none"):
        comparison(CONTEXT[None], TARGETS[None], {})


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


def test_white_is_equal_blue_too_dark_and_vermilion_too_bright():
    targets, predictions = frames(0, 255, 77), frames(255, 0, 77)
    for scaled in (1.0, 255.0):
        kind = "float32" if scaled == 1.0 else "uint8"
        pair = [np.round(x * 255).astype(kind) if scaled > 1 else x for x in (targets, predictions)]
        maps = difference_maps(*pair)
        assert (maps.dtype, maps.shape) == (np.uint8, (3, HEIGHT, WIDTH, 3))
        for picture, colour in zip(maps, (VERMILION, BLUE, (255, 255, 255)), strict=True):
            assert (picture == colour).all()


def test_small_differences_show_and_grow_with_the_square_root():
    truth = np.zeros((4, HEIGHT, WIDTH, 1))
    errors = np.reshape([0.01, 0.04, 0.25, 1.0], (4, 1, 1, 1))
    share = (255.0 - difference_maps(truth, truth + errors)[:, 0, 0, 2]) / 255.0
    np.testing.assert_allclose(share, [0.1, 0.2, 0.5, 1.0], atol=0.002)


def test_a_difference_is_the_mean_over_channels_of_what_is_drawn():
    truth = np.zeros((HEIGHT, WIDTH, 3), "float32")
    prediction = truth + np.float32([3.0, -1.0, np.nan])  # Drawn as 1, 0 and 0.
    np.testing.assert_array_equal(
        difference_maps(truth, prediction),
        difference_maps(truth[..., :1], truth[..., :1] + np.float32(1 / 3)),
    )


@pytest.mark.parametrize(
    "prediction", [np.zeros((2, 3, 3)), np.zeros((3, 2, 1), int)], ids=["shape", "dtype"]
)
def test_differences_of_what_does_not_fit_are_refused(prediction):
    with pytest.raises(ValueError, match=r"Received: \(3, 2, 1\) of float64"):
        difference_maps(np.zeros((3, 2, 1)), prediction)


def test_an_animation_is_made_of_its_moments():
    pictures = animation(batch(CONTEXT), batch(TARGETS), batch(PREDICTIONS), scale=9)
    panels = [
        Panel("truth 2/2", batch(TARGETS)[:, 1]),
        Panel("prediction 2/2", batch(PREDICTIONS)[:, 1], is_prediction=True),
    ]
    np.testing.assert_array_equal(side_by_side(panels, scale=9), pictures[-1])


def test_where_the_truth_has_ended_an_animation_is_middle_grey():
    unknown = np.full_like(TARGETS, np.nan)
    picture = animation(CONTEXT[None], unknown[None], PREDICTIONS[None], scale=3)[-1]
    assert where(picture, 128)[3] < where(picture, 70)[2]


@pytest.mark.parametrize(("height", "named"), [(40, True), (16, False)])
def test_rows_are_named_under_the_context_where_there_is_room(height, named):
    frames = np.zeros((1, 8, height, 48, 1), "float32")
    picture = filmstrips(frames, frames, frames)
    under_context = picture[height + 2 :, : 8 * 48]
    for row in (under_context[:height], under_context[-height:]):
        assert (row < 255).any() == named
        assert (row[:, :100] == 255).all()  # To the right, beside what it names.
