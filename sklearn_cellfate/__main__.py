"""``python -m sklearn_cellfate``."""

import sys

from sklearn_cellfate.cli import main

sys.exit(main())
