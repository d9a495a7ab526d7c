"""``python -m ccmim_tools`` is ``ccmim``."""

from .cli import main

if __name__ == '__main__':
    main()
