"""Video predictors."""

from iprnn_tf.models.author import from_author as from_author
from iprnn_tf.models.crevnet import CrevNet as CrevNet
from iprnn_tf.models.folded_rnn import FoldedRNN as FoldedRNN
from iprnn_tf.models.iprnn import IPRNN as IPRNN
from iprnn_tf.models.loading import load_model as load_model
from iprnn_tf.models.loading import training_settings as training_settings
from iprnn_tf.models.next_frames import NextFrames as NextFrames
from iprnn_tf.models.openstl import from_openstl as from_openstl
from iprnn_tf.models.patch_rnn import PatchRNN as PatchRNN
from iprnn_tf.models.persistence import BlackFrames as BlackFrames
from iprnn_tf.models.persistence import CopyLastFrame as CopyLastFrame
from iprnn_tf.models.predictor import VideoPredictor as VideoPredictor
from iprnn_tf.models.recurrent import RecurrentPredictor as RecurrentPredictor
from iprnn_tf.models.vpn import VideoPixelNetwork as VideoPixelNetwork

MODELS: dict[str, type[RecurrentPredictor]] = {
    "iprnn": IPRNN,
    "patch_rnn": PatchRNN,
    "crevnet": CrevNet,
    "folded_rnn": FoldedRNN,
    "vpn": VideoPixelNetwork,
}
