"""``ccmim study``, from a clone."""

from ccmim_tools.study import main

if __name__ == '__main__':
    main()
