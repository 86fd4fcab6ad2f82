"""A convolution in NumPy, for the equations of cells."""

import numpy as np


def convolve(image, kernel):
    """A convolution as neural networks mean it: no flip, zeros around the image."""
    side = kernel.shape[0]
    margin = side // 2
    padded = np.pad(image, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
    result = np.zeros((*image.shape[:3], kernel.shape[3]))
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            window = padded[:, y : y + side, x : x + side]  # (B, k, k, F)
            result[:, y, x] = np.einsum("bijc,ijcf->bf", window, kernel)
    return result


def sigmoid(x):
    return 1 / (1 + np.exp(-x))
