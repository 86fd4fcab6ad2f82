"""Recordings in NetCDF-4 files, which are HDF5: radar, satellites, reanalyses."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np

from iprnn_tf.data.arrays import open_hdf5
from iprnn_tf.data.recordings import Video

SUFFIXES = (".nc", ".nc4")
_CLASSIC = b"CDF"  # What NetCDF-3 begins with.


def open_netcdf(path: Path, name: str) -> list[Video]:
    """Opens the recordings of a NetCDF-4 file: all variables with three axes or more.

    Values are unpacked by `scale_factor` and `add_offset`; `_FillValue` and `missing_value` become
    NaN, the valid range is left alone. The units are one of the remarks.

    Raises:
        ValueError: if it can't be read, is of NetCDF-3, or holds no arrays of frames.

    Reference:
        NetCDF Climate and Forecast Metadata Conventions 1.11, sections 2.5.1 and 8.1.
    """
    if path.is_file():
        with path.open("rb") as file:
            if file.read(3) == _CLASSIC:
                raise ValueError(
                    f"NetCDF files are read in their version 4. Received: {path} of version 3. "
                    f"Convert it: nccopy -k nc4 {path.name} new.nc"
                )
    videos = open_hdf5(path, name, Unpacked)
    return [
        dataclasses.replace(video, remarks=functools.partial(_units, path, video.name[len(name) :]))
        for video in videos
    ]


def _units(path: Path, key: str) -> list[str]:
    import h5py

    with h5py.File(path) as file:
        variable = file[key[1:].partition("]")[0]]
        units = np.ravel(variable.attrs.get("units", ""))[0]
    text = units.decode(errors="replace") if isinstance(units, bytes) else str(units)
    return [f"its values are in {text}"] if text else []


class Unpacked:
    """A variable that gives true values, read as an array is.

    Args:
        variable: of an open file.
    """

    def __init__(self, variable: Any) -> None:
        self._variable, attributes = variable, dict(variable.attrs)
        self.shape, self.ndim, self.chunks = variable.shape, variable.ndim, variable.chunks
        self._unsigned = attributes.get("_Unsigned") in ("true", b"true")
        self._scale, self._offset = (
            float(np.squeeze(attributes.get(key, usual)))
            for key, usual in (("scale_factor", 1.0), ("add_offset", 0.0))
        )
        fills = [attributes[key] for key in ("_FillValue", "missing_value") if key in attributes]
        with np.errstate(invalid="ignore"):  # NaN says nothing about integers.
            own = [np.ravel(fill).astype(variable.dtype) for fill in fills]
        self._fills = np.concatenate(own) if own else None
        changed = fills or {"scale_factor", "add_offset"} & set(attributes)
        short = variable.dtype.itemsize <= 2 or variable.dtype == np.float32
        floats = np.dtype(np.float32 if short else np.float64)
        self.dtype = floats if changed else self._raw(np.zeros(0, variable.dtype)).dtype

    def __getitem__(self, index: Any) -> np.ndarray:
        stored = np.asarray(self._variable[index])
        values = self._raw(stored)
        if (self._scale, self._offset) == (1, 0) and self._fills is None:
            return values.astype(self.dtype)
        unpacked = values * np.float64(self._scale) + self._offset
        if self._fills is not None:
            unpacked = np.where(np.isin(stored, self._fills), np.nan, unpacked)
        return unpacked.astype(self.dtype)

    def _raw(self, stored: np.ndarray) -> np.ndarray:
        """Bytes of unsigned numbers, which NetCDF-3 had none of, as what they are."""
        signed = stored.dtype.kind == "i" and self._unsigned
        return stored.view(f"{stored.dtype.byteorder}u{stored.itemsize}") if signed else stored
