"""How papers cut real video into windows, and how they reduce errors to one number."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class VideoProtocol:
    """One published way to count.

    Args:
        train_stride: frames from one training window to the next; 0 for windows side by side.
        test_stride: the same for validation and test.
        context_frames: T, frames that are given in the test.
        horizon: K, frames to predict in the test.
        next_frame: whether every frame of a window is predicted from all true ones before it,
            rather than the horizon after the context.
        clip: whether predictions are clipped to [0, 1] before squared and absolute errors, too.
        per_pixel: whether errors are quoted as means over pixels, times 1000, rather than as
            sums over a frame.
        ssim_mode: whose definition of SSIM the published numbers follow.
    """

    train_stride: int = 1
    test_stride: int = 1
    context_frames: int = 10
    horizon: int = 10
    next_frame: bool = False
    clip: bool = True
    per_pixel: bool = True
    ssim_mode: str = "skimage_legacy"


VIDEO_PROTOCOLS = {
    # Windows of 20 frames with a stride of one; Chang et al., section 3.2. Their table is of the
    # first predicted frame. The SSIM is that of the author's public code.
    "paper": VideoProtocol(),
    # Lotter et al., Deep Predictive Coding Networks, 2017: in the test windows of 10 side by side,
    # of which each frame but the first is predicted from the true ones before it; SSIM by Wang
    # et al., 2004.
    "prednet": VideoProtocol(
        test_stride=0, context_frames=9, horizon=1, next_frame=True, ssim_mode="gaussian_valid"
    ),
    # Tan et al., OpenSTL, 2023: one frame from ten, windows side by side, errors summed over a
    # frame and not clipped.
    "openstl": VideoProtocol(train_stride=0, test_stride=0, horizon=1, clip=False, per_pixel=False),
}

DIGITS = VideoProtocol(per_pixel=False, ssim_mode="skimage")  # Moving digits: sums over a frame.
