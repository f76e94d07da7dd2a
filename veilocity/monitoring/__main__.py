"""Write the files: `python -m veilocity.monitoring [FOLDER]`, by default into the checkout that it is started in."""

import sys
from pathlib import Path

from veilocity.monitoring import write

if __name__ == "__main__":
    for changed in write(Path(sys.argv[1] if len(sys.argv) > 1 else ".")):
        sys.stdout.write(f"{changed}\n")
