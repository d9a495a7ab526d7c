"""The demo's pictures alone; ``ccmim demo`` trains on them, too."""

from ccmim_tools.make_demo_data import main

if __name__ == '__main__':
    main()
