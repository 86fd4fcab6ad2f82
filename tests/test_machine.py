"""What `--mixed_precision=auto` decides."""

import pytest
import tensorflow as tf

from trainers.measuring import machine


@pytest.mark.parametrize(("ratio", "expected"), [(1.1, "float32"), (1.3, "bfloat16")])
def test_half_the_bits_must_be_worth_it_on_a_cpu(monkeypatch, ratio, expected):
    rates = {"float32": 100.0, "bfloat16": 100.0 * ratio}
    monkeypatch.setattr(machine, "has_gpu", lambda: False)
    monkeypatch.setattr(machine, "convolution_rate", rates.get)
    assert machine.fastest_precision() == expected


def test_a_precision_that_the_kernels_lack_is_not_chosen(monkeypatch):
    def convolution_rate(dtype):
        raise tf.errors.AbortedError(None, None, "could not create a primitive descriptor")

    monkeypatch.setattr(machine, "has_gpu", lambda: False)
    monkeypatch.setattr(machine, "convolution_rate", convolution_rate)
    assert machine.fastest_precision() == "float32"


def test_a_gpu_computes_in_bfloat16(monkeypatch):
    monkeypatch.setattr(machine, "has_gpu", lambda: True)
    assert machine.fastest_precision() == "bfloat16"


def test_a_convolution_has_a_rate():
    assert machine.convolution_rate("float32", batch=1, size=4, channels=2) > 0


def test_a_product_of_matrices_has_a_rate():
    assert machine.matmul_rate("bfloat16", size=8) > 0
