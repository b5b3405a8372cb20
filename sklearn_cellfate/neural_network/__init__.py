"""Networks as scikit-learn estimators."""

from sklearn_cellfate.neural_network._aae_classifier import AAEClassifier
from sklearn_cellfate.neural_network._adversarial_autoencoder import AdversarialAutoencoder
from sklearn_cellfate.neural_network._divergence import DivergenceError
from sklearn_cellfate.neural_network._efficientnet_classifier import EfficientNetClassifier

__all__ = [
    "AAEClassifier",
    "AdversarialAutoencoder",
    "DivergenceError",
    "EfficientNetClassifier",
]
