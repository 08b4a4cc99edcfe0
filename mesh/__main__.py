"""``python -m mesh``: the command line."""

from mesh.cli import main

if __name__ == "__main__":
    main()
