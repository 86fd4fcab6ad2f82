"""Pretrained models: which ship with the package, and how any of them is stored and loaded.

A preset is a folder, or a `.zip` of its files, of

    config.json         the model's class and configuration
    model.weights.h5    its weights, in 16 bits
    metadata.json       where they come from, what they reach, and the hashes of the files above

Loading reads JSON and arrays only: there are no pickles and no code in a preset.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import keras

from iprnn_tf.files import replacing, write_json

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"
STORED_DTYPE = "float16"
HASHES = "sha256"  # Their place in the metadata.


class ReleasedPresets(Mapping[str, dict[str, Any]]):
    """The metadata of the presets that ship with the package, by name."""

    def __getitem__(self, name: str) -> dict[str, Any]:
        if name not in iter(self):  # A name, never a path to somewhere else.
            raise KeyError(name)
        return read_metadata(_released() / name)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(path.parent.name for path in _released().glob(f"*/{METADATA}")))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self)})"

    def __len__(self) -> int:
        return sum(1 for _ in self)


PRESETS = ReleasedPresets()

# What damaged, encrypted or exotic .zip files raise when they are read.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def _released() -> Path:
    return Path(str(resources.files("iprnn_tf"))) / "pretrained"


def save_preset(model: keras.Model, folder: Path, metadata: dict[str, Any]) -> None:
    """Writes a model as a preset, its weights rounded to 16 bits.

    Args:
        model: a video predictor.
        folder: where to; a preset that is there is replaced.
        metadata: what people should know; the hashes of the files are added.

    Raises:
        OSError: if it can't be written.
    """
    with replacing(folder / WEIGHTS) as temporary:
        # Keras insists on the suffix, which the temporary file shares.
        model.in_precision(STORED_DTYPE).save_weights(temporary)
    config = {"class_name": type(model).__name__, "config": model.get_config()}
    write_json(folder / CONFIG, config)
    hashes = {name: _digest((folder / name).read_bytes()) for name in (CONFIG, WEIGHTS)}
    write_json(folder / METADATA, {**metadata, HASHES: hashes})


def pack(folder: Path) -> tuple[Path, str]:
    """Writes the `.zip` file of a preset beside its folder, to be put behind an address.

    Returns:
        The file, and its hash for the end of the address: `#sha256=...`.
    """
    packed = zip_beside(folder)
    with replacing(packed) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in (CONFIG, WEIGHTS, METADATA):
            archive.write(folder / name, name)
    return packed, _digest(packed.read_bytes())


def zip_beside(folder: Path) -> Path:
    """Returns where `pack` writes the `.zip` file of a preset."""
    return folder.with_name(f"{folder.name}.zip")


def load_preset(source: str | Path, dtype: str = "float32") -> keras.Model:
    """Loads a pretrained model.

    Args:
        source: a name in `PRESETS` (a folder of the same name is `./name`); the folder or
            `.zip` file of a preset; or the address of such a file with its hash,
            `https://...zip#sha256=...`, which is downloaded once.
        dtype: precision of the layers, such as "mixed_bfloat16".

    Raises:
        ValueError: if there is no such precision or preset, or its files are damaged or don't
            fit together.
    """
    _check_dtype(dtype)
    folder = locate(source)
    hashes = read_metadata(folder).get(HASHES)
    config, weights = _checked(folder, CONFIG, hashes), _checked(folder, WEIGHTS, hashes)
    model = _create(folder, config, dtype)
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / WEIGHTS
        file.write_bytes(weights)
        try:
            model.load_weights(file)
        except Exception as error:  # Keras and h5py raise whatever the difference leads to.
            raise ValueError(
                f"The weights of a preset fit the model in its {CONFIG}. "
                f"Received: {source} ({type(error).__name__}: {error}). Get the preset again."
            ) from error
    return model


def locate(source: str | Path) -> Path | zipfile.Path:
    """Returns the folder or the opened `.zip` file of a preset.

    Raises:
        ValueError: if there is none.
    """
    if str(source) in PRESETS:
        return _released() / str(source)
    if str(source).startswith(("https://", "http://")):
        source = _download(str(source))
    if Path(source).is_dir():
        return Path(source)
    if zipfile.is_zipfile(source):
        return _opened(Path(source))
    raise ValueError(
        f"A preset is one of {', '.join(PRESETS)}, a folder or .zip file with a {METADATA}, or "
        f"https://...zip#sha256=... . Received: {str(source)!r}. Check the name, or give a path."
    )


def is_preset(source: str | Path) -> bool:
    """Whether this names a preset, rather than a run directory or a `.keras` file."""
    if str(source) in PRESETS or str(source).startswith(("https://", "http://")):
        return True
    return Path(source).suffix == ".zip" or (Path(source) / METADATA).exists()


def read_metadata(folder: Path | zipfile.Path) -> dict[str, Any]:
    """Returns what a preset says about itself.

    Raises:
        ValueError: if the file is missing or damaged.
    """
    return _read_json(folder, METADATA)


def _check_dtype(dtype: str) -> None:
    try:
        keras.dtype_policies.get(dtype)
    except ValueError as error:
        raise ValueError(
            "`dtype` is a precision that Keras knows. "
            f"Received: dtype={dtype!r} ({error}). Give 'float32', 'mixed_bfloat16' or another "
            "of them, or leave it out."
        ) from error


def _opened(file: Path) -> zipfile.Path:
    try:
        return zipfile.Path(file)
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"A preset may be a .zip file. Received: {file}, which is damaged ({error}). "
            "Get it again."
        ) from error


def _checked(folder: Path | zipfile.Path, name: str, hashes: Any) -> bytes:
    content = _read(folder, name)
    if not isinstance(hashes, dict) or _digest(content) != hashes.get(name):
        raise ValueError(
            f"The files of a preset have the hashes that its {METADATA} names. Received: {folder}, "
            f"whose {name} has {_digest(content)}, of {hashes}. It is damaged or was changed: get "
            "the preset again, or write it with save_preset."
        )
    return content


def _create(folder: Path | zipfile.Path, config: bytes, dtype: str) -> keras.Model:
    try:
        content = json.loads(config)
        model_class: Any = keras.saving.get_registered_object(f"iprnn_tf>{content['class_name']}")
        return model_class.from_config({**content["config"], "dtype": dtype})
    except Exception as error:  # Whatever a wrong configuration leads to.
        raise ValueError(
            f"The {CONFIG} of a preset describes a model of this version of iprnn_tf. "
            f"Received: {folder} ({type(error).__name__}: {error}). Get the preset again, or "
            "update iprnn_tf."
        ) from error


def _download(address: str) -> Path:
    location, fragment = urllib.parse.urldefrag(address)
    match = re.fullmatch("sha256=([0-9a-f]{64})", fragment.lower())
    if not match:
        raise ValueError(
            "The address of a preset ends with #sha256= and the 64 digits of the file's hash. "
            f"Received: {address}. Ask for the hash where you found the address."
        )
    digest = match[1]
    try:
        file = keras.utils.get_file(
            f"{digest}.zip",
            location,
            cache_subdir="iprnn_tf",
            file_hash=digest,
            hash_algorithm="sha256",
        )
    except ValueError as error:
        raise ValueError(
            f"The file at {location} must have the hash in the address. Received: another file "
            f"({error}). Ask for the right hash, or don't trust the file."
        ) from error
    except Exception as error:  # Keras raises bare ones.
        raise ValueError(
            f"The address of a preset must be reachable. Received: {location} ({error}). "
            "Check the address and the network."
        ) from error
    return Path(file)


def _read_json(folder: Path | zipfile.Path, name: str) -> dict[str, Any]:
    content = _read(folder, name)
    try:
        return dict(json.loads(content))
    except (TypeError, ValueError) as error:
        raise _damaged(folder, name, error) from error


def _read(folder: Path | zipfile.Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except (*_UNREADABLE, OSError, KeyError) as error:
        raise _damaged(folder, name, error) from error


def _damaged(folder: Path | zipfile.Path, name: str, error: Exception) -> ValueError:
    return ValueError(
        f"A preset is a folder or .zip file with {CONFIG}, {WEIGHTS} and {METADATA}. Received: "
        f"{folder}, whose {name} can't be read ({type(error).__name__}: {error}). Give another, "
        "or get this one again."
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
