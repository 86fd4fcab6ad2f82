"""Curves, found again in the pixels."""

import numpy as np
import pytest

from iprnn_tf.visualization import bubble_chart, error_curve, learning_curve

PLOT = np.s_[104:351, 72:617]


def heights(picture, colour):
    """The middle row of a colour in every column of the plot that has it."""
    mask = (np.abs(picture[PLOT].astype(int) - colour) < 24).all(-1)
    return [float(np.nonzero(column)[0].mean()) for column in mask.T if column.any()]


BLUE, VERMILION = (0, 114, 178), (213, 94, 0)


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


def test_the_horizontal_axis_may_count_something_else():
    by_lead_time, by_epoch = error_curve({"a": [1, 2]}), error_curve({"a": [1, 2]}, xlabel="epoch")
    changed = np.nonzero((by_lead_time != by_epoch).any(-1))[0]
    assert changed.size
    assert changed.min() > 370  # Below the plot.


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
    [{}, {"a": []}, {"a": [1.0, np.nan]}, {"a": [[1.0]]}, {str(i): [1.0] for i in range(11)}],
    ids=["none", "empty", "nan", "rank", "too many"],
)
def test_curves_that_cannot_be_read_are_refused(curves):
    with pytest.raises(ValueError, match="Pass 1 to 10 curves"):
        error_curve(curves)


def test_what_was_reached_is_drawn_over_what_it_took():
    picture = learning_curve({"old": [(0, 100), (400, 50)], "new": [(100, 100), (200, 0)]})
    mask = (np.abs(picture[PLOT].astype(int) - VERMILION) < 24).all(-1)
    columns, rows = np.nonzero(mask.any(0))[0], np.nonzero(mask.any(1))[0]
    width, height = 616 - 72, 350 - 104
    np.testing.assert_allclose(columns[[0, -1]], [width / 4, width / 2], atol=4)
    np.testing.assert_allclose(rows[[0, -1]], [0, height], atol=4)
    first, *_, last = heights(picture, BLUE)
    np.testing.assert_allclose([first, last], [0, height / 2], atol=4)


def test_numbers_below_one_have_marks_of_their_own():
    small, large = ([(0, 1), (end, 0)] for end in (0.5, 500))
    small, large = (learning_curve({"run": curve}) for curve in (small, large))
    changed = np.nonzero((small != large).any(-1))[0]
    assert changed.min() > 350  # The marks alone: the curves are the same.


@pytest.mark.parametrize(
    "curves", [{}, {"a": []}, {"a": [(1, np.nan)]}, {"a": [1, 2]}, {"a": [(1, 2, 3)]}]
)
def test_pairs_that_cannot_be_read_are_refused(curves):
    with pytest.raises(ValueError, match="Pass 1 to 10 curves of pairs"):
        learning_curve(curves)


def test_bubbles_lie_where_they_should_and_have_the_area_of_what_they_stand_for():
    picture = bubble_chart({"small": (1, 25, 1), "large": (2, 100, 4)})
    blue, vermilion = (
        np.nonzero((np.abs(picture[PLOT].astype(int) - colour) < 24).all(-1))
        for colour in (BLUE, VERMILION)
    )
    width, height = 616 - 72, 350 - 104
    np.testing.assert_allclose([x.mean() for x in blue], [0.75 * height, 0.4 * width], atol=2)
    assert np.ptp(blue[1]) == pytest.approx(22, abs=3)  # Half as wide as the large one.
    assert vermilion[0].min() == 0  # Its upper half lies outside.
    assert np.ptp(vermilion[1]) == pytest.approx(44, abs=3)


@pytest.mark.parametrize("points", [{}, {"a": (1, 2)}, {"a": (1, 2, np.inf)}])
def test_bubbles_that_cannot_be_read_are_refused(points):
    with pytest.raises(ValueError, match="Pass 1 to 10 curves of three numbers"):
        bubble_chart(points)
