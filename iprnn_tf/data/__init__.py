"""Data sets as `tf.data` pipelines of windows of frames."""

from iprnn_tf.data.caltech_pedestrian import CALTECH_PEDESTRIAN
from iprnn_tf.data.drawn import DrawnSequences as DrawnSequences
from iprnn_tf.data.footage import Footage
from iprnn_tf.data.kitti import KITTI
from iprnn_tf.data.moving_mnist import MovingMNIST as MovingMNIST
from iprnn_tf.data.prepared import VideoWindows as VideoWindows
from iprnn_tf.data.video_folder import VIDEO_FOLDER

DRAWN: dict[str, type[DrawnSequences]] = {
    "mnist": MovingMNIST,
}
FOOTAGE: dict[str, Footage] = {
    "kitti": KITTI,
    "caltech": CALTECH_PEDESTRIAN,
    "video": VIDEO_FOLDER,
}
DATASETS: dict[str, type[DrawnSequences] | type[VideoWindows]] = {
    **DRAWN,
    **dict.fromkeys(FOOTAGE, VideoWindows),
}
