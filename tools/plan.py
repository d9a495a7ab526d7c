"""What a training needs: ``ccmim plan``."""

from ccmim_tools.plan import main

if __name__ == '__main__':
    main()
