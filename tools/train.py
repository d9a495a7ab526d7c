"""``ccmim train``, from a clone."""

from ccmim_tools.train import main

if __name__ == '__main__':
    main()
