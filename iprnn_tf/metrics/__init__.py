"""How far predicted frames are from the true ones: per lead time first, and then the mean."""

from collections.abc import Iterable

from iprnn_tf.metrics.errors import PSNR as PSNR
from iprnn_tf.metrics.errors import AbsoluteError as AbsoluteError
from iprnn_tf.metrics.errors import SquaredError as SquaredError
from iprnn_tf.metrics.frame_metric import FrameMetric as FrameMetric
from iprnn_tf.metrics.ssim import SSIM as SSIM
from iprnn_tf.metrics.ssim import SSIM_MODES as SSIM_MODES
from iprnn_tf.metrics.ssim import SSIMMode as SSIMMode


def standard_metrics(
    horizon: int, ssim_modes: Iterable[str] = ("skimage",), clip_errors: bool = True
) -> list[FrameMetric]:
    """Returns the metrics of the usual table: squared and absolute error, PSNR, and SSIMs."""
    errors = [SquaredError(horizon, clip_errors), AbsoluteError(horizon, clip_errors)]
    return [*errors, PSNR(horizon), *(SSIM(horizon, mode) for mode in ssim_modes)]
