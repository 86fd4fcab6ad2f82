"""NetCDF-4 files, as archives of radar and reanalyses write them."""

import h5py
import numpy as np
import pytest

from iprnn_tf.data.videos import open_videos

STORED = np.random.default_rng(0).integers(-300, 300, (5, 12, 18)).astype("int16")


def _written(path, stored, **attributes):
    with h5py.File(path, "w") as file:
        variable = file.create_dataset("rain", data=stored, chunks=(2, 5, 6), compression="gzip")
        variable.attrs.update(attributes)
        file["latitude"] = np.zeros((12, 18))
    return path


def _read(path):
    (video,) = open_videos(path)
    return video, np.stack([frame.pixels[..., 0] for frame in video.frames()])


def test_packed_values_come_back_in_their_units(tmp_path):
    stored = STORED.copy()
    stored[1, 2, 3:5], stored[4, 0, 0] = -9999, -8888
    packing = {"scale_factor": 0.25, "add_offset": np.array([10.0]), "units": b"mm h-1"}
    fills = {"_FillValue": np.array([-9999], "int16"), "missing_value": np.int16(-8888)}
    video, values = _read(_written(tmp_path / "one.nc", stored, **packing, **fills))
    assert video.name == "one.nc[rain]"
    assert list(video.remarks()) == ["its values are in mm h-1"]
    expected = np.where(stored < -8000, np.nan, stored * 0.25 + 10)
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert values.dtype == np.float32


def test_values_that_are_not_packed_stay_as_they_are(tmp_path):
    for stored in (STORED, STORED / 7, STORED.astype("uint8")):
        video, values = _read(_written(tmp_path / "one.nc4", stored))
        np.testing.assert_array_equal(values, stored)
        assert values.dtype == stored.dtype
        assert list(video.remarks()) == []


def test_unsigned_bytes_in_signed_ones_are_unsigned(tmp_path):
    stored = STORED.astype("int8")
    path = _written(tmp_path / "one.nc", stored, _Unsigned="true", scale_factor=0.5)
    np.testing.assert_array_equal(_read(path)[1], stored.view("uint8") * 0.5)


def test_fills_of_another_type_are_missing_all_the_same(tmp_path):
    floats = np.full(STORED.shape, -999.9, "float32")
    path = _written(tmp_path / "floats.nc", floats, missing_value=np.float64(-999.9))
    assert np.isnan(_read(path)[1]).all()
    signed = np.full(STORED.shape, -56, "int8")
    path = _written(
        tmp_path / "bytes.nc", signed, _Unsigned="true", _FillValue=np.uint8(200), scale_factor=0.5
    )
    assert np.isnan(_read(path)[1]).all()


@pytest.mark.parametrize("units", [b"\xb0C", np.array([b"mm"]), "dBZ"])
def test_units_may_be_written_in_any_way(tmp_path, units):
    video, _ = _read(_written(tmp_path / "one.nc", STORED, units=units))
    (told,) = video.remarks()
    assert told.startswith("its values are in ")
    assert "[" not in told


def test_netcdf_3_is_answered_with_how_to_convert_it(tmp_path):
    (tmp_path / "old.nc").write_bytes(b"CDF\x01" + bytes(60))
    with pytest.raises(ValueError, match=r"old\.nc of version 3.*nccopy -k nc4 old\.nc"):
        open_videos(tmp_path / "old.nc")


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "one.nc").write_bytes(b"\x89HDF")
    with pytest.raises(ValueError, match=r"one\.nc, which can't be read"):
        open_videos(tmp_path / "one.nc")
