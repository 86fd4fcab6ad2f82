"""Training that starts from pretrained weights."""

from __future__ import annotations

from iprnn_tf.models import RecurrentPredictor, VideoPredictor, load_model
from trainers.configuration.architecture import architecture


def start_from(source: str, model: RecurrentPredictor) -> None:
    """Gives a new model pretrained weights.

    Raises:
        ValueError: if the pretrained model has another architecture.
    """
    pretrained = load_model(source)
    own, wanted = architecture(model), architecture(pretrained)
    different = {name: value for name, value in wanted.items() if own.get(name) != value}
    if not different and _shapes(model) != _shapes(pretrained):
        raise ValueError(
            "--init_from needs frames as the model was trained on. Received: "
            f"{source}, for frames of {pretrained.image_shape}, and data of {model.image_shape}. "
            "Prepare videos of that shape (--channels, --image_size), or start from another model."
        )
    if different:
        raise ValueError(
            f"--init_from needs a model of the same architecture. Received: {source}, where "
            f"{', '.join(f'{name} is {value}' for name, value in different.items())}. Leave these "
            "settings out, or start from another model."
        )
    model.set_weights(pretrained.get_weights())


def _shapes(model: VideoPredictor) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in model.weights]
