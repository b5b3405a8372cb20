"""What displays of a Bunch have in common."""

__all__ = ["ResultDisplay"]


class ResultDisplay:
    """Base of displays that draw what a function of this package has returned.

    Parameters
    ----------
    result : Bunch or DataFrame
        What to draw.
    """

    def __init__(self, result):
        self.result = result

    @classmethod
    def from_result(cls, result, *, ax=None):
        """Draw what is there already.

        Parameters
        ----------
        result : Bunch or DataFrame
            What to draw.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : object of this class
        """
        return cls(result).plot(ax=ax)
