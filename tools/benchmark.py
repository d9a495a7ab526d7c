"""``ccmim bench``, from a clone."""

from ccmim_tools.benchmark import main

if __name__ == '__main__':
    main()
