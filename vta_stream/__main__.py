"""`python -m vta_stream` is `vta-stream`."""

from vta_stream.cli import main

if __name__ == "__main__":
    main(prog_name="vta-stream")
