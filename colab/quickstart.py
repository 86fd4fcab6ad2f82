# ---
# jupyter:
#   accelerator: GPU
#   colab:
#     provenance: []
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Video prediction in ten minutes
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/iprnn/iprnn_tf/blob/main/colab/quickstart.ipynb)
#
# Show a model a few frames of a video, and it draws those that follow. The model is **IPRNN**, from
# *An Information-Preserving Model for Video Prediction using Spatiotemporal GRUs* (ICIP 2021).
#
# 1. A pretrained model continues handwritten digits that it has never seen.
# 2. We take video: clips drawn here, or your own.
# 3. Two small models learn, one with and one without the paths that preserve information.
# 4. The pretrained model learns your video: fine-tuning, with TensorBoard beside it.
# 5. It is compared with what it was before.
# 6. It leaves Keras, as a SavedModel and for LiteRT, and predicts the same.
#
# Choose *Runtime > Run all* (in Jupyter *Run > Run All Cells*). On two CPU cores everything together takes five to eight minutes, three
# of them for fine-tuning; a GPU is used where there is one. Installing comes on top of that.

# %% [markdown]
# ## Settings
#
# The only cell you may want to change.

# %% tags=["parameters"]
REPOSITORY = "https://github.com/iprnn/iprnn_tf"  # cloned, unless this runs in a checkout
WORK = "quickstart"  # all files of this notebook are written below this folder
OWN_VIDEO = ""  # "" draws clips; "upload" asks for a video, on Colab; or the path of one
HEIGHT, WIDTH = 64, 80  # frames of the video are scaled and cut to this size
CONTEXT, HORIZON = 5, 5  # frames that are given, frames that are predicted
SKIPS_STEPS = 240  # training steps of each of the two small models
FINE_TUNE_MINUTES = 3

# %% [markdown]
# ## Set-up
#
# Where this is no checkout of the repository, it is cloned and installed, which takes a few minutes.
# In a checkout nothing is installed: its environment has what `make test` brings, or
# `pip install -e ".[litert,serving,video]"`.

# %%
import shutil
import subprocess
import sys
from pathlib import Path

WORK = Path(WORK)
WORK.mkdir(parents=True, exist_ok=True)


def run_quietly(*command):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


# %%
here = Path.cwd()
checkouts = [path for path in (here, *here.parents) if (path / "iprnn_tf/presets.py").exists()]
checkout = checkouts[0] if checkouts else WORK.resolve() / "iprnn_tf"
if not checkouts:
    if not checkout.exists():
        run_quietly("git", "clone", "--quiet", "--depth=1", REPOSITORY, checkout)
    extras = "litert,serving,video" + (",cuda" if shutil.which("nvidia-smi") else "")
    run_quietly(sys.executable, "-m", "pip", "install", "--quiet", "-e", f"{checkout}[{extras}]")
sys.path.insert(0, str(checkout))  # This Python was running before the package was there.

# %%
import os

import trainers as trainers  # First: it keeps the start of TensorFlow quiet.
import keras
import tensorflow as tf

gpus = tf.config.list_physical_devices("GPU")
names = [tf.config.experimental.get_device_details(gpu)["device_name"] for gpu in gpus]
device = ", ".join(names) or f"the CPU, with {os.cpu_count()} cores"
print(f"This runs on {device}.")
print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}, Python {sys.version.split()[0]}")

# %% [markdown]
# ## 1. A pretrained model
#
# `iprnn_small_moving_mnist` ships with the package. It learned for 85 minutes on two CPU cores, from
# digits that bounce about. Here are four test sequences. Ten frames are given; then the border takes
# colour, and the model is on its own: each frame it draws is the next one it sees.

# %%
from base64 import b64encode

import numpy as np
from IPython.display import HTML, Markdown, display
from PIL import Image

from iprnn_tf import IPRNN
from iprnn_tf.data import MovingMNIST, VideoWindows
from iprnn_tf.data.windows import evaluation_batches
from iprnn_tf.visualization import animation, comparison, error_curve, save_gif


def show(pictures, frames_per_second=4):
    """Shows an animation below the cell, and keeps it inside the notebook."""
    save_gif(WORK / "shown.gif", pictures, frames_per_second)
    data = b64encode((WORK / "shown.gif").read_bytes()).decode()
    display(HTML(f'<img alt="predictions over time" src="data:image/gif;base64,{data}">'))


# %%
model = IPRNN.from_preset("iprnn_small_moving_mnist")
digits = MovingMNIST().frames("test").take(4)
context, targets = next(evaluation_batches(digits, 10, 4).as_numpy_iterator())
predictions = model.predict(context, verbose=0)  # (4, 10, 64, 64, 1), no labels needed
show(animation(context, targets, predictions))

# %% [markdown]
# It blurs as it goes, where it is not sure any more. How far it is off on these four, as squared
# error summed over a frame, beside the error of showing the last frame again (over 3,000 sequences
# the two are 57.3 and 285.0):


# %%
def mse(predictions, targets):
    """Squared error, summed over a frame: one number for each lead time."""
    error = (np.clip(predictions, 0, 1) - targets) ** 2
    return error.sum((2, 3, 4)).mean(0)


copied = np.repeat(context[:, -1:], 10, axis=1)
print(f"IPRNN            {mse(predictions, targets).mean():6.1f}")
print(f"last frame again {mse(copied, targets).mean():6.1f}")

# %% [markdown]
# Real time works frame by frame, at the same cost for each: `model.step(frame, states)`. And
# `model.rollout(context, horizon=30)` looks as far ahead as you like.

# %% [markdown]
# ## 2. Your own video
#
# Set `OWN_VIDEO = "upload"` above to choose a file (on Colab), or give a path. It should
# last fifteen seconds or more: one video is cut in three over time, so that the model is tested on
# a part it has not learned from, and that part is a tenth of it.
#
# Without one, we draw clips as a fixed camera sees them: a still, detailed background, and two
# objects that cross it and bounce off the sides. Every clip has a background and objects of its own.


# %%
def texture(rng, height, width):
    """Noise of several scales, fine and coarse, in [0, 1]."""
    total = np.zeros((height, width))
    for cell in (2, 4, 8, 16):
        noise = Image.fromarray(rng.normal(0, 1, (height // cell + 2, width // cell + 2)))
        total += noise.resize((width, height), Image.Resampling.BICUBIC)
    return (total - total.min()) / np.ptp(total)


# %%
def draw_clip(seed, length=40, size=20):
    rng = np.random.default_rng(seed)
    clip = np.repeat(0.7 * texture(rng, HEIGHT, WIDTH)[None], length, axis=0)
    room = np.array([HEIGHT - size, WIDTH - size])
    for _ in range(2):
        speed = rng.uniform(1, 3, 2) * rng.choice([-1, 1], 2)
        path = rng.uniform(0, room) + speed * np.arange(length)[:, None]
        path = np.abs((path + room) % (2 * room) - room)  # bounces off the sides
        thing = 0.4 + 0.6 * texture(rng, size, size)
        for frame, (top, left) in zip(clip, path.astype(int)):
            frame[top : top + size, left : left + size] = thing
    return np.uint8(255 * clip)


# %%
from iprnn_tf.visualization import save_mp4


def fresh(name):
    """A path below the work folder; what an earlier run left there is removed."""
    shutil.rmtree(WORK / name, ignore_errors=True)
    return WORK / name


clips = fresh("clips")
clips.mkdir()
if OWN_VIDEO == "upload":
    from google.colab import files  # Colab alone has it.

    for name in files.upload():
        shutil.move(name, clips)
elif OWN_VIDEO:
    shutil.copy(OWN_VIDEO, clips)

if not any(clips.iterdir()):
    for seed in range(24):
        grey = draw_clip(seed)[..., None]
        save_mp4(clips / f"clip{seed:02}.mp4", grey.repeat(3, axis=-1), frames_per_second=10)

# %% [markdown]
# Video is decoded once, ten frames a second, in grey like the digits, and split by file. The model
# never sees the test videos while it learns. This is one of the command-line programs, called from
# Python; what it suggests as the next command is for a terminal in the checkout.

# %%
from trainers import prepare

prepared = fresh("prepared")
size = ["--channels=1", f"--image_size={HEIGHT}x{WIDTH}", "--fps=10"]
prepare.main(["--dataset=video", f"--data_dir={clips}", f"--output={prepared}", *size])

windows = VideoWindows(prepared, num_frames=CONTEXT + HORIZON).frames("test")
context, targets = next(evaluation_batches(windows.take(16), CONTEXT, 16).as_numpy_iterator())
copied = np.repeat(context[:, -1:], HORIZON, axis=1)

# %% [markdown]
# ## 3. What IPRNN keeps that others lose
#
# A recurrent model presses a frame into a small memory. If it draws the next frame from the memory
# alone, fine detail is lost on the way. IPRNN has *skips*: what the encoder saw at each scale goes
# straight to the decoder, past the memory. So the memory need not carry the detail.
#
# Two small models learn from the same clips, with the same seed and for the same number of steps.
# The only difference is `--noskips`. Their memory has 8 x 10 cells for a frame of 64 x 80.

# %%
import contextlib
import io
import time

from iprnn_tf import load_model
from trainers import train

lengths = [f"--context_frames={CONTEXT}", f"--horizon={HORIZON}", "--config=small_video"]
held_out = ["--validation_sequences=16", "--test_sequences=16"]
common = ["--dataset=video", f"--data_dir={prepared}", *lengths, *held_out]
tiny = ["--filters=16", "--num_downsamplings=3", f"--steps={SKIPS_STEPS}"]


def trained(name, *flags):
    start, run = time.time(), fresh(f"runs/{name}")
    with contextlib.redirect_stdout(io.StringIO()):  # Its report is for a longer training.
        train.main([*common, *tiny, *flags, "--mixed_precision=float32", f"--output={run}"])
    print(f"{name}: {SKIPS_STEPS} steps, {time.time() - start:.0f} s with its test")
    return load_model(run)


# %%
with_skips = trained("with skips", "--skips")
without_skips = trained("without skips", "--noskips")

# %%
both = {
    "skips": with_skips.predict(context, verbose=0),
    "no skips": without_skips.predict(context, verbose=0),
}
few = np.s_[:2]
show(comparison(context[few], targets[few], {name: x[few] for name, x in both.items()}))

# %%
still = np.abs(targets - context[:, -1:]) < 0.02  # pixels that look as in the last frame given
detail = {}
print("Squared error x 1000, first frame   still pixels   moving pixels")
for name, frames in both.items():
    error = 1000 * (np.clip(frames, 0, 1) - targets) ** 2
    detail[name] = [error[:, k][still[:, k]].mean() for k in range(HORIZON)]
    print(f"{name:36}{detail[name][0]:12.1f}{error[:, 0][~still[:, 0]].mean():16.1f}")

# %%
title, unit = "How well the still background is kept", "squared error x 1000, still pixels"
display(Image.fromarray(error_curve(detail, title, unit)))

# %% [markdown]
# Look at the background in the first predicted frame. With skips its grain is there; without, it is
# a blur, because it has to pass the small memory. Further ahead the difference shrinks: each
# prediction is the next input, and what is lost once can't be seen again.
#
# What this is not: both models are young and tiny, so it shows how they learn, not how good they can
# become. Skips tell what was seen, not where it moves: on moving pixels the model without them may
# well be ahead. And in clips where the whole picture pans, we found the two within 4 % of each
# other.

# %% [markdown]
# ## 4. Fine-tune
#
# Now the pretrained model learns these videos. It has seen nothing but digits so far, but its
# weights are convolutions: they fit frames of any size. TensorBoard opens first. Reload it (the
# round arrow) while the training runs; under *Images* are filmstrips of what the model predicts.

# %%
tuned_run = fresh("runs/fine-tuned")
tuned_run.mkdir(parents=True)

# %% tags=["tensorboard"]
# %load_ext tensorboard
# %tensorboard --logdir "$tuned_run"

# %%
pace = ["--steps_per_epoch=50", "--validation_every=1", f"--max_minutes={FINE_TUNE_MINUTES}"]
start_from = "--init_from=iprnn_small_moving_mnist"
train.main([*common, *pace, start_from, f"--output={tuned_run}"])

# %% [markdown]
# The loss over the training, as TensorBoard shows it. While the model learns, it is given fewer and
# fewer true frames, so that its task becomes harder. On the validation clips it is always on its own.

# %%
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def logged(part):
    events = EventAccumulator(str(tuned_run / part), size_guidance={"tensors": 0})  # all of them
    losses = events.Reload().Tensors("epoch_loss")
    return [float(tf.make_ndarray(loss.tensor_proto)) for loss in losses]


losses = {"training": logged("train"), "validation": logged("validation")}
display(Image.fromarray(error_curve(losses, "Fine-tuning", "loss", xlabel="epoch")))

# %% [markdown]
# ## 5. Before and after
#
# On test videos that neither has seen: the pretrained model as it came, and fine-tuned.

# %%
tuned = load_model(tuned_run, dtype="float32")
before = IPRNN.from_config(
    {**model.get_config(), "image_shape": tuned.image_shape, "horizon": HORIZON}
)
before.set_weights(model.get_weights())

two = {
    "before": before.predict(context, verbose=0),
    "after": tuned.predict(context, verbose=0),
}
show(comparison(context[few], targets[few], {name: x[few] for name, x in two.items()}))

# %%
for name, frames in {**two, "last frame again": copied}.items():
    print(f"{name:17}{mse(frames, targets).mean():6.1f}")

# %% [markdown]
# ## 6. Out of Keras
#
# A SavedModel is what TensorFlow Serving and C++ load; a LiteRT file runs on phones. Each is compared
# with the model before it is written.

# %%
from export import saved_model, tflite

exported = fresh("exported")
saved_model.main([f"--model={tuned_run}", f"--output={exported / 'saved_model'}"])
tflite.main([f"--model={tuned_run}", f"--output={exported / 'iprnn.tflite'}"])

# %% [markdown]
# Now we load both as a stranger would, with nothing of this package.

# %%
from ai_edge_litert.interpreter import Interpreter

stranger = tf.saved_model.load(str(exported / "saved_model" / "1"))
serve = stranger.signatures["forecast"]
interpreter = Interpreter(str(exported / "iprnn.tflite"), num_threads=os.cpu_count())
litert = interpreter.get_signature_runner("forecast")

one = context[:1]
runners = {
    "Keras": lambda: tuned.predict_on_batch(one),
    "SavedModel": lambda: serve(context=tf.constant(one))["predictions"].numpy(),
    "LiteRT": lambda: litert(context=one)["predictions"],
}


# %%
import timeit


def milliseconds(run):
    """The fastest of a few, so that other work on the machine counts less."""
    return 1000 * min(timeit.repeat(run, number=1, repeat=20))


def size_of(path):
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file()) / 2**20


files = [tuned_run / "model.keras", exported / "saved_model", exported / "iprnn.tflite"]
outputs = {name: run() for name, run in runners.items()}
print(f"{'':12}{'size':>10}{'a forecast':>14}   largest difference from Keras")
for (name, run), file in zip(runners.items(), files):
    difference = np.abs(outputs[name] - outputs["Keras"]).max()
    print(f"{name:12}{size_of(file):6.1f} MiB{milliseconds(run):11.0f} ms   {difference:.1e}")

# %%
show(comparison(one, targets[:1], outputs))

# %% [markdown]
# The SavedModel is larger, as it also holds requests that warm a server up. For a smaller LiteRT
# file there is `--quantize=float16` or `--quantize=dynamic`.

# %% [markdown]
# ## What next

# %%
pages = {
    "README.md": "every command, and what the models reach",
    "docs/video.md": "training on real video: formats, KITTI and Caltech Pedestrian",
    "docs/serving.md": "TensorFlow Serving, from one container to many",
    "CONTRIBUTING.md": "a memory cell or a data set of your own",
}
links = [f"- [{page}]({REPOSITORY}/blob/main/{page}): {what}" for page, what in pages.items()]
display(Markdown("\n".join(links)))
