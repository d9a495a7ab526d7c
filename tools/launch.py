"""torchrun, as dist_run.sh starts it."""

from ccmim_tools.launch import launch

if __name__ == '__main__':
    launch()
