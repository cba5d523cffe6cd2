"""Prepare, train, evaluate and convert models: ``python training_cli.py --help``."""

from nmf_model.training.cli import main

if __name__ == "__main__":
    main()
