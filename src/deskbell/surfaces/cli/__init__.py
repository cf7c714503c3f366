"""The command line."""


def main() -> None:
    """The entry point of `deskbell`."""
