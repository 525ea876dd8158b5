"""``python -m bakery`` is the same command as ``bakery``."""

from bakery.cli.main import main

if __name__ == "__main__":
    main()
