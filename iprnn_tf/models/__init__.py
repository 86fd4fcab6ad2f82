"""Video predictors."""

from iprnn_tf.models.iprnn import IPRNN as IPRNN
from iprnn_tf.models.persistence import BlackFrames as BlackFrames
from iprnn_tf.models.persistence import CopyLastFrame as CopyLastFrame
from iprnn_tf.models.predictor import VideoPredictor as VideoPredictor
