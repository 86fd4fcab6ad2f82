"""Writers of recordings in the formats that cameras and data sets have, for tests."""

import io
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from iprnn_tf.pyav import import_av

_LOSSLESS = {  # Suffix to codec, pixel format and options that give every byte back.
    ".mp4": ("libx264rgb", "rgb24", {"crf": "0", "preset": "ultrafast"}),
    ".mov": ("libx264rgb", "rgb24", {"crf": "0", "preset": "ultrafast"}),
    ".m4v": ("libx264rgb", "rgb24", {"crf": "0", "preset": "ultrafast"}),
    ".avi": ("ffv1", "bgr0", {}),
    ".mkv": ("ffv1", "bgr0", {}),
    ".webm": ("libvpx-vp9", "gbrp", {"lossless": "1"}),
}
_KITTI_START = np.datetime64("2011-09-26T13:02:25.964389445", "ns")
_SEQ_FORMATS = {("raw", 1): 100, ("raw", 3): 200, ("jpeg", 1): 102, ("jpeg", 3): 201}
_SEQ_FORMATS |= {("png", 1): 1, ("png", 3): 2}


def moving_frames(count, size=(24, 40), channels=3, seed=0):
    """Draws a bright square that moves over a smooth ground, uint8 `(count, H, W, C)`.

    Every frame differs from every other, and no row from a column.
    """
    height, width = size
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    ground = rows[..., None] * rng.uniform(1, 2, channels) + columns[..., None] * 1.5
    frames = np.repeat(ground[None] % 120, count, axis=0)
    for index, frame in enumerate(frames):
        top, left = index % (height - 4), (3 * index) % (width - 6)
        frame[top : top + 4, left : left + 6] = 130 + (index * 7) % 120
        frame[0, 0] = index  # Readable by eye in a failure.
    return frames.astype(np.uint8)


def write_picture_folder(folder, frames, suffix=".png", digits=1, **options):
    """Writes frames as `frame0.png`, `frame1.png`, …; numbers have `digits` digits or more."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames):
        _image(frame).save(folder / f"frame{index:0{digits}d}{suffix}", **options)
    return folder


def write_kitti_drive(
    folder, frames, date="2011_09_26", drive=1, camera="image_03", seconds=None, suffix=".png"
):
    """Writes one camera of one drive of KITTI raw (synced and rectified).

    Args:
        folder: of the data set; `date/date_drive_0001_sync/camera/data` is made in it.
        frames: uint8 `(T, H, W, C)`.
        date: as KITTI writes it, with underscores.
        drive: its number.
        camera: `image_02` and `image_03` are colour, `image_00` and `image_01` grey.
        seconds: time of each frame since the first, by default a tenth of a second apart; empty
            for a drive without `timestamps.txt`.
        suffix: KITTI also offers JPEG copies.

    Returns:
        The folder that holds the pictures.
    """
    camera_folder = Path(folder) / date / f"{date}_drive_{drive:04d}_sync" / camera
    data = camera_folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames):
        _image(frame).save(data / f"{index:010d}{suffix}")
    seconds = [index / 10 for index in range(len(frames))] if seconds is None else seconds
    stamps = [_KITTI_START + np.timedelta64(round(second * 1e9), "ns") for second in seconds]
    if stamps:
        lines = "".join(str(stamp).replace("T", " ") + "\n" for stamp in stamps)
        (camera_folder / "timestamps.txt").write_text(lines)
    return data


def write_gif(path, frames, durations=100):
    """Writes an animation; durations in milliseconds, one or one per frame, multiples of ten."""
    first, *others = [_image(frame) for frame in frames]
    first.save(path, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
    return Path(path)


def write_video(path, frames, fps=30, seconds=None, codec=None, rotation=0, **options):
    """Writes a video file, without loss unless a codec is given.

    Args:
        path: the suffix says the container: .mp4 .mov .m4v .avi .mkv .webm.
        frames: uint8 `(T, H, W, 3)`, or grey with C = 1.
        fps: frames per second, an int or a Fraction.
        seconds: time of each frame in units of 1/90000 s, for a variable frame rate.
        codec: None for one without loss, else e.g. libx264, written as yuv420p: even sides only.
        rotation: degrees counterclockwise by which players turn the stored frames.
        **options: of the container, as in `movflags="faststart"`.

    Returns:
        The path.
    """
    av = import_av()
    path = Path(path)
    name, pixels, settings = _LOSSLESS[path.suffix.lower()]
    name, pixels, settings = (codec, "yuv420p", {}) if codec else (name, pixels, settings)
    with av.open(str(path), "w", container_options=options) as file:
        stream = file.add_stream(name, rate=fps, options=settings)
        stream.height, stream.width = np.shape(frames)[1:3]
        stream.pix_fmt = pixels
        stream.thread_count = 1
        unit = Fraction(1, 90000) if seconds is not None else 1 / Fraction(fps)
        stream.codec_context.time_base = unit
        if rotation:
            stream.set_display_rotation(rotation)
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(_colour(frame), format="rgb24")
            picture.time_base = unit
            picture.pts = index if seconds is None else round(seconds[index] * 90000)
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    return path


def write_seq(
    path,
    frames,
    coding="jpeg",
    fps=30.0,
    seconds=None,
    gap=8,
    declared=None,
    header_size=1024,
    padding=0,
):
    """Writes a Norpix StreamPix sequence, byte by byte; Caltech Pedestrian's are `jpeg`.

    Args:
        path: by custom `.seq`.
        frames: uint8 `(T, H, W, C)`, C 3 or 1 (grey).
        coding: "jpeg", "png" or "raw".
        fps: frame rate in the header.
        seconds: time of each frame, by default as `fps` says; all 0 for a camera without a clock.
        gap: bytes between a compressed frame and the next: a time stamp and maybe 8 zeros more.
        declared: number of frames in the header, by default the true one.
        header_size: 1024, or 8192 from version 5 on.
        padding: bytes behind the time stamp of a raw frame.

    Returns:
        The path.
    """
    frames = np.asarray(frames)
    seconds = [index / fps for index in range(len(frames))] if seconds is None else seconds
    declared = len(frames) if declared is None else declared
    parts = [_seq_header(frames, coding, fps, declared, header_size, padding)]
    for frame, second in zip(frames, seconds, strict=True):
        microseconds = round(second * 1e6)
        thousands, rest = divmod(microseconds % 1_000_000, 1000)
        stamp = struct.pack("<iHH", 1_200_000_000 + microseconds // 1_000_000, thousands, rest)
        if coding == "raw":
            parts += [frame[..., ::-1].tobytes(), stamp, bytes(padding)]  # BGR; grey is itself.
        else:
            data = _encoded(frame, coding)
            parts += [struct.pack("<I", len(data) + 4), data, stamp, bytes(gap - 8)]
    Path(path).write_bytes(b"".join(parts))
    return Path(path)


def jpeg_frames(frames):
    """What a reader must give back of frames that `write_seq` wrote as JPEG."""
    decoded = [np.asarray(Image.open(io.BytesIO(_encoded(frame, "jpeg")))) for frame in frames]
    return np.stack(decoded).reshape(np.shape(frames))


def _seq_header(frames, coding, fps, declared, header_size, padding):
    _, height, width, channels = frames.shape
    size = height * width * channels
    header = struct.pack("<I", 0xFEED) + "Norpix seq\n".encode("utf-16-le").ljust(24, b"\0")
    header += struct.pack("<ii", 3 if header_size == 1024 else 5, header_size) + bytes(512)
    header += struct.pack("<IIII", width, height, 8 * channels, 8)
    header += struct.pack("<II", size, _SEQ_FORMATS[coding, channels])
    header += struct.pack("<III", declared, 0, size + 8 + padding) + struct.pack("<d", fps)
    return header.ljust(header_size, b"\0")


def _encoded(frame, coding):
    file = io.BytesIO()
    _image(frame).save(file, coding)
    return file.getvalue()


def _image(frame):
    return Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame)


def _colour(frame):
    return np.ascontiguousarray(np.broadcast_to(frame, (*frame.shape[:2], 3)))
