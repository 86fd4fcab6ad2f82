"""Small prepared video for tests, from arrays in memory."""

from __future__ import annotations

from iprnn_tf.data.footage import Cut
from iprnn_tf.data.preparation import Preparation
from iprnn_tf.data.recordings import Frame, Video
from iprnn_tf.data.video_folder import split_by_file


def video(name, frames):
    """A recording of frames `(T, H, W, C)` without time stamps."""
    return Video(name, lambda: (Frame(pixels, None) for pixels in frames))


def prepare(folder, videos, split=split_by_file, skip_bad_files=False, **cut):
    """Prepares videos, by name, into a folder."""
    videos = [video(name, frames) for name, frames in videos.items()]
    return Preparation(videos, Cut(**cut), split, folder, skip_bad_files=skip_bad_files).run()
