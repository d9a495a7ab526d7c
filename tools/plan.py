"""``ccmim plan``, from a clone."""

from ccmim_tools.plan import main

if __name__ == '__main__':
    main()
