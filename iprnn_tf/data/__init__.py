"""Data sets as `tf.data` pipelines of windows of frames."""

from iprnn_tf.data.caltech_pedestrian import CALTECH_PEDESTRIAN
from iprnn_tf.data.footage import Footage
from iprnn_tf.data.kitti import KITTI
from iprnn_tf.data.moving_mnist import MovingMNIST as MovingMNIST
from iprnn_tf.data.prepared import VideoWindows as VideoWindows
from iprnn_tf.data.video_folder import VIDEO_FOLDER

FOOTAGE: dict[str, Footage] = {
    "kitti": KITTI,
    "caltech": CALTECH_PEDESTRIAN,
    "video": VIDEO_FOLDER,
}
DATASETS: dict[str, type[MovingMNIST] | type[VideoWindows]] = {
    "mnist": MovingMNIST,
    **dict.fromkeys(FOOTAGE, VideoWindows),
}
