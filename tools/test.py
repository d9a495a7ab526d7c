"""``ccmim test``, from a clone."""

from ccmim_tools.test import main

if __name__ == '__main__':
    main()
