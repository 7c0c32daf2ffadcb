"""Run the command line as `python -m cgcnn_md`."""

from cgcnn_md.cli import main

if __name__ == "__main__":
    main()
