"""PyAV, which reads and writes video files: an extra that not everybody has installed."""

from __future__ import annotations

from types import ModuleType


def import_av() -> ModuleType:
    """Returns PyAV.

    Raises:
        ValueError: if it isn't installed.
    """
    try:
        import av
    except ImportError as error:
        raise ValueError(
            "Video files need PyAV. Received: an environment without the package `av`. "
            'Install the extra `video`, pip install -e ".[video]", or use GIFs or folders of '
            "pictures."
        ) from error
    return av
