# worker/tools
