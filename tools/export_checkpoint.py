"""``ccmim export``, from a clone."""

from ccmim_tools.export import main

if __name__ == '__main__':
    main()
