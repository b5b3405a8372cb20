"""``report``: what ``evaluate`` found, as one page."""


def add_command(commands):
    """Add ``report`` to the commands."""
    parser = commands.add_parser(
        "report",
        help="write what evaluate found as one page",
        description="Turn the folder that evaluate wrote into one self-contained HTML page: "
        "figures, tables, sentences to quote and a latent plane to explore. It needs no network, "
        "so it can be mailed, printed or put into a supplement.",
    )
    parser.add_argument("folder", metavar="RUN_DIR", help="written by evaluate")
    parser.add_argument(
        "-o", "--output", default="report.html", metavar="FILE", help="%(default)s"
    )
    parser.set_defaults(run=_report)


def _report(options):
    from sklearn_cellfate.report import write_report

    path = write_report(options.folder, options.output)
    print(f"written to {path}: {path.stat().st_size / 1e6:.1f} MB")
