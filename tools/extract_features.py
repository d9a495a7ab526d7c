"""``ccmim features``, from a clone."""

from ccmim_tools.extract_features import main

if __name__ == '__main__':
    main()
