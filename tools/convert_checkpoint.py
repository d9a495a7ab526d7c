"""``ccmim convert``, from a clone."""

from ccmim_tools.convert_checkpoint import main

if __name__ == '__main__':
    main()
