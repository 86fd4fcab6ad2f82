"""Video prediction with recurrent memories in Keras 3."""

from iprnn_tf.cells import Cell as Cell
from iprnn_tf.cells import StackedCells as StackedCells
from iprnn_tf.cells import STGRUCell as STGRUCell
from iprnn_tf.conv_rnn import ConvRNN as ConvRNN
from iprnn_tf.losses import FrameError as FrameError
from iprnn_tf.metrics import PSNR as PSNR
from iprnn_tf.metrics import SSIM as SSIM
from iprnn_tf.metrics import AbsoluteError as AbsoluteError
from iprnn_tf.metrics import SquaredError as SquaredError
from iprnn_tf.models import IPRNN as IPRNN
from iprnn_tf.models import BlackFrames as BlackFrames
from iprnn_tf.models import CopyLastFrame as CopyLastFrame
from iprnn_tf.models import VideoPredictor as VideoPredictor
from iprnn_tf.models import load_model as load_model
from iprnn_tf.optimizers import ConvMuon as ConvMuon
from iprnn_tf.rollout import rollout as rollout

__version__ = "0.1.0"
