"""Data sets as `tf.data` pipelines of windows of frames."""

from iprnn_tf.data.moving_mnist import MovingMNIST as MovingMNIST

DATASETS = {
    "mnist": MovingMNIST,
}
