"""``python -m ccmim_mm SCRIPT ...``: a script that reads our configs.

The family's own ``train.py`` imports what a config names when it has read
it; a base ``ccmim_mm::...`` has to be known before. Here it is.
"""

import runpy
import sys

if __name__ == '__main__':
    if not sys.argv[1:]:
        raise SystemExit('usage: python -m ccmim_mm SCRIPT [ARGUMENTS ...]')
    sys.argv.pop(0)
    runpy.run_path(sys.argv[0], run_name='__main__')
