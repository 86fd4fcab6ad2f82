"""Video predictors."""

from iprnn_tf.models.iprnn import IPRNN as IPRNN
from iprnn_tf.models.loading import load_model as load_model
from iprnn_tf.models.loading import training_settings as training_settings
from iprnn_tf.models.next_frames import NextFrames as NextFrames
from iprnn_tf.models.persistence import BlackFrames as BlackFrames
from iprnn_tf.models.persistence import CopyLastFrame as CopyLastFrame
from iprnn_tf.models.predictor import VideoPredictor as VideoPredictor
