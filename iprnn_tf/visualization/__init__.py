"""Pictures of predictions and of learning: strips, animations and curves, without matplotlib.

Frames are floats in [0, 1] or uint8, channels last, with one channel or three. Pictures are uint8
RGB arrays `(H', W', 3)`. Where an observed or true frame is NaN it isn't known, and drawn in
middle grey; where a prediction is NaN it is drawn black.
"""

from iprnn_tf.visualization.animations import Panel, animation, comparison, side_by_side
from iprnn_tf.visualization.charts import MOST_CURVES, bubble_chart, error_curve, learning_curve
from iprnn_tf.visualization.differences import difference_maps
from iprnn_tf.visualization.layout import DRAWABLE_CHANNELS, Picture
from iprnn_tf.visualization.picture_files import save_gif, save_mp4, save_png
from iprnn_tf.visualization.strips import comparison_strip, filmstrip, filmstrips

__all__ = [
    "DRAWABLE_CHANNELS",
    "MOST_CURVES",
    "Panel",
    "Picture",
    "animation",
    "bubble_chart",
    "comparison",
    "comparison_strip",
    "difference_maps",
    "error_curve",
    "filmstrip",
    "filmstrips",
    "learning_curve",
    "save_gif",
    "save_mp4",
    "save_png",
    "side_by_side",
]
